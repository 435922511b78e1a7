// A blob's bytes on their way to one client, at that client's pace: headers at once, then chunk after chunk.
// Ways to send differ in speed only: sendfile(2) for a whole file on a plain connection, else the handle's own chunks.
import type { BlobDescription, BlobHandle } from '../content.ts'
import type { ByteRange } from '../oci/range.ts'
import type { Accel } from './accel.ts'
import { answer, type Exchange, pushProvenance } from './exchange.ts'
import { sendFile } from './sendfile.ts'
import { written } from './written.ts'

export interface SendBlobOptions {
  /** Whether sendfile(2) may be used where the platform has it. */
  readonly sendfile: boolean
  /** `undefined`: everything is sent from here. */
  readonly accel?: Accel | undefined
}

export interface BlobAnswer {
  readonly status: number
  readonly headers: readonly string[]
  /** Bytes of the body. */
  readonly length: number
  readonly range: ByteRange | undefined
}

/**
 * Resolves when the answer is out. Throws when the content fails or the client is gone: headers are sent by then, so the caller
 * must end the connection short.
 */
export async function sendBlob(exchange: Exchange, handle: BlobHandle, plan: BlobAnswer, options: SendBlobOptions): Promise<void> {
  const { res } = exchange
  res.writeHead(plan.status, exchange.commonHeaders.concat(plan.headers))
  if (plan.length > 0) {
    // Before the first byte is there, which may take a while: clients give up on silence, not on a slow body.
    res.flushHeaders()
    const { size } = handle.descriptor
    const start = plan.range?.start ?? 0
    const part = { start, length: plan.length, size }
    if (handle.file !== undefined) exchange.firstByteMs = exchange.elapsedMs
    const sent = options.sendfile && handle.file !== undefined ? await sendFile(exchange, { ...part, path: handle.file }) : 0
    if (sent === 0) await sendChunks(exchange, handle, plan.range, plan.length)
    else if (sent < plan.length)
      await sendChunks(exchange, handle, { start: start + sent, end: start + plan.length - 1 }, plan.length - sent)
  }
  res.end()
}

/**
 * To the storage, with the request's own Range. As distribution, which tells no digest here: the storage's answer has none, and a
 * client that expects one computes it. What we can refuse or answer without bytes (416, 304) is not redirected.
 */
export function sendElsewhere(exchange: Exchange, { provenance }: BlobDescription, location: string): void {
  const headers = ['Location', location, 'Content-Length', '0']
  pushProvenance(headers, provenance, exchange)
  answer(exchange, 307, headers, undefined)
}

async function sendChunks(exchange: Exchange, handle: BlobHandle, range: ByteRange | undefined, length: number): Promise<void> {
  const { res, signal } = exchange
  let left = length
  for await (const chunk of handle.open(range, signal)) {
    signal.throwIfAborted()
    if (chunk.length > left) throw new Error(`more bytes of ${handle.descriptor.digest} than its descriptor says`)
    left -= chunk.length
    exchange.firstByteMs ??= exchange.elapsedMs
    exchange.bodyBytes += chunk.length
    await written(res, chunk)
  }
  if (left > 0) throw new Error(`${left} bytes of ${handle.descriptor.digest} are missing`)
}
