// Request bodies: taken at the pace of who keeps them, and only once somebody wants them. A body that nobody wanted is read and
// dropped within a bound, because closing a connection over unread data resets it, and the client never sees its answer.
import type { IncomingMessage, ServerResponse } from 'node:http'
import { systemClock } from '../lib/clock.ts'
import { endShort } from './end-short.ts'

/** A client that sends nothing for so long is gone; a slow one is not. */
const idleMs = 60_000
/** How much of an unwanted body is read for the sake of a connection that can be used again, and for how long. */
const drainBytes = 16 * 1024 * 1024
const drainMs = 5_000

interface Message {
  readonly req: IncomingMessage
  readonly res: ServerResponse
}

const continued = new WeakSet<IncomingMessage>()

/** More bytes than are taken. */
export class BodyTooLarge extends Error {
  constructor(limit: number) {
    super(`the body has more than ${limit} bytes`)
    this.name = 'BodyTooLarge'
  }
}

/** More bytes than `http.limits.bodysize`. */
export class BodyOverLimit extends Error {
  constructor(limit: number) {
    super(`the request's body has more than ${limit} bytes`)
    this.name = 'BodyOverLimit'
  }
}

const bounds = new WeakMap<IncomingMessage, number>()

/** Whoever reads the body meets BodyOverLimit when it is larger. */
export function boundBody(req: IncomingMessage, maxBytes: number): void {
  bounds.set(req, maxBytes)
}

async function* bounded(req: IncomingMessage, maxBytes: number): AsyncGenerator<Uint8Array, void, void> {
  let length = 0
  for await (const chunk of req.iterator({ destroyOnReturn: false })) {
    length += (chunk as Uint8Array).length
    if (length > maxBytes) throw new BodyOverLimit(maxBytes)
    yield chunk as Uint8Array
  }
}

export function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0'
}

/** Bytes; `undefined` where the client does not say. */
export function lengthOf({ headers }: IncomingMessage): number | undefined {
  const length = headers['content-length']
  return length === undefined ? (headers['transfer-encoding'] === undefined ? 0 : undefined) : Number(length)
}

/**
 * To be read once. A client that waits for leave to send gets it here. Throws when the client leaves or falls silent.
 * Chunks belong to who reads them: Node's parser makes a copy for each, on which nobody else has a view.
 */
export async function* bodyOf({ req, res }: Message, silenceMs: number = idleMs): AsyncGenerator<Uint8Array, void, void> {
  const bound = bounds.get(req)
  if (bound !== undefined && (lengthOf(req) ?? 0) > bound) throw new BodyOverLimit(bound)
  if (isWaiting(req)) {
    continued.add(req)
    res.writeContinue()
  }
  const onIdle = () => {
    // With bytes at hand it is we who are slow.
    if (req.readableLength === 0) req.destroy(new Error(`the client sent nothing for ${silenceMs} ms`))
  }
  req.setTimeout(silenceMs).on('timeout', onIdle)
  try {
    // Whoever stops reading still owes the client an answer on this connection.
    yield* bound === undefined ? req.iterator({ destroyOnReturn: false }) : bounded(req, bound)
  } finally {
    req.off('timeout', onIdle)
    req.socket.setTimeout(0)
  }
}

/** Throws BodyTooLarge, as early as the client says so. */
export async function readBody(message: Message, limit: number): Promise<Uint8Array> {
  if ((lengthOf(message.req) ?? 0) > limit) throw new BodyTooLarge(limit)
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of bodyOf(message)) {
    length += chunk.length
    if (length > limit) throw new BodyTooLarge(limit)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks, length)
}

export function isUnread({ req }: Message): boolean {
  return !req.complete && hasBody(req)
}

/** RFC 9110, section 10.1.1: the client holds its body back until it is told to go on. */
export function isWaiting(req: IncomingMessage): boolean {
  return req.headers.expect?.toLowerCase() === '100-continue' && !continued.has(req)
}

/** Ends an answer whose bytes are all written, once the body is read or given up. */
export async function endAfterBody(message: Message): Promise<void> {
  const { req, res } = message
  let isLate = false
  void systemClock.sleep(drainMs).then(() => {
    isLate = true
    if (!req.complete) endShort(message)
  })
  let left = drainBytes
  try {
    for await (const chunk of req.iterator({ destroyOnReturn: false })) {
      left -= (chunk as Uint8Array).length
      if (left < 0 && !isLate) break
    }
  } catch {
    // The client took its answer and left, or just left: there is nobody to tell.
    return
  }
  if (req.complete) res.end()
  else endShort(message)
}
