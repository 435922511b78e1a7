// A name for each request in the log. A proxy's own X-Request-Id is taken over when it is harmless; else a counter behind a
// prefix that differs from start to start, because randomness per request would cost more than the request.
import { randomBytes } from 'node:crypto'
import type { IncomingMessage } from 'node:http'

const prefix = `${randomBytes(6).toString('hex')}-`
const harmless = /^[\w.:@+/=-]{1,128}$/
let count = 0

export function requestIdOf(req: IncomingMessage): string {
  const given = req.headers['x-request-id']
  if (typeof given === 'string' && harmless.test(given)) return given
  count += 1
  return prefix + count
}
