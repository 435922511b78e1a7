// `http.limits` on requests: how many an address may send in a second, and how large a body may be. Nothing is in the way of
// requests where neither is set.
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { BlockList } from 'node:net'
import type { Clock } from '../lib/clock.ts'
import { clientAddressOf } from './client-address.ts'
import { boundBody } from './request-body.ts'

export interface RequestLimits {
  /** Per second and address; so many may also come at once. */
  readonly requestRate?: number | undefined
  readonly maxBodyBytes?: number | undefined
  /** Whose word about the client's address is taken. */
  readonly trustedProxies: BlockList
  readonly clock: Clock
}

type Handle = (req: IncomingMessage, res: ServerResponse) => Promise<unknown>

export function limited(handle: Handle, limits: RequestLimits): Handle {
  const { requestRate, maxBodyBytes, trustedProxies, clock } = limits
  if (requestRate === undefined && maxBodyBytes === undefined) return handle
  const rates = requestRate === undefined ? undefined : new Rates(requestRate)
  return (req, res) => {
    const waitMs = rates?.waitOf(clientAddressOf(req, trustedProxies), clock.now()) ?? 0
    if (waitMs > 0) {
      refuseRate(req, res, waitMs)
      return done
    }
    if (maxBodyBytes !== undefined) boundBody(req, maxBodyBytes)
    return handle(req, res)
  }
}

const done = Promise.resolve()

function refuseRate(req: IncomingMessage, res: ServerResponse, waitMs: number): void {
  const body = Buffer.from(`${JSON.stringify({ errors: [{ code: 'TOOMANYREQUESTS', message: 'too many requests from this address' }] })}\n`)
  const retryAfter = String(Math.ceil(waitMs / 1000))
  // What comes as a body is dropped with the connection.
  const closing =
    req.headers['content-length'] === undefined && req.headers['transfer-encoding'] === undefined ? [] : ['Connection', 'close']
  res.writeHead(429, ['Content-Type', 'application/json', 'Content-Length', String(body.length), 'Retry-After', retryAfter, ...closing])
  res.end(req.method === 'HEAD' ? undefined : body)
}

/** More addresses than this at once are not told apart from their oldest: memory is bounded. */
const maxAddresses = 50_000

/** A bucket for each address, filled with `perSecond` tokens in a second and never with more. */
export class Rates {
  readonly #perSecond: number
  /** When the bucket would be full, in milliseconds; one that is in the past is full. In order of the last request. */
  readonly #fullAt = new Map<string, number>()

  constructor(perSecond: number) {
    this.#perSecond = perSecond
  }

  get size(): number {
    return this.#fullAt.size
  }

  /** 0: the request may go on, and is counted. Else the milliseconds until one may. */
  waitOf(address: string, now: number): number {
    const tokenMs = 1000 / this.#perSecond
    const fullAt = Math.max(this.#fullAt.get(address) ?? now, now)
    const waitMs = fullAt + tokenMs - (now + 1000)
    if (waitMs > 1e-6) return waitMs
    this.#fullAt.delete(address)
    this.#fullAt.set(address, fullAt + tokenMs)
    if (this.#fullAt.size > maxAddresses) this.#forgetOldest(now)
    return 0
  }

  /** All that are full again, from the oldest on, and at least one. */
  #forgetOldest(now: number): void {
    let isFirst = true
    for (const [address, fullAt] of this.#fullAt) {
      if (!isFirst && fullAt > now) return
      isFirst = false
      this.#fullAt.delete(address)
    }
  }
}
