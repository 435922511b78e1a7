// A blob's bytes on their way to one client, at that client's pace: headers at once, then chunk after chunk.
// Ways to send differ in speed only: sendfile(2) for a whole file on a plain connection, else the handle's own chunks.
import type { ServerResponse } from 'node:http'
import type { BlobHandle } from '../content.ts'
import type { ByteRange } from '../oci/range.ts'
import type { Exchange } from './exchange.ts'
import { sendFile } from './sendfile.ts'

export interface SendBlobOptions {
  /** Whether sendfile(2) may be used where the platform has it. */
  readonly sendfile: boolean
}

export interface BlobAnswer {
  readonly status: 200 | 206
  readonly headers: readonly string[]
  /** Bytes of the body. */
  readonly length: number
  readonly range: ByteRange | undefined
}

/**
 * Resolves when the answer is out, or the client gone. Throws when the content fails: headers are sent by then, so the caller
 * must end the connection short.
 */
export async function sendBlob(
  exchange: Exchange,
  handle: BlobHandle,
  plan: {
    readonly status: 200 | 206 | 304
    readonly headers: readonly string[]
    readonly length: number
    readonly range: ByteRange | undefined
  },
  options: SendBlobOptions,
): Promise<void> {
  const { res } = exchange
  res.writeHead(plan.status, exchange.commonHeaders.concat(plan.headers))
  if (plan.length > 0) {
    // Before the first byte is there, which may take a while: clients give up on silence, not on a slow body.
    res.flushHeaders()
    const start = plan.range?.start ?? 0
    const byFile =
      options.sendfile &&
      handle.file !== undefined &&
      (await sendFile(exchange, { path: handle.file, start, length: plan.length, size: handle.descriptor.size }))
    if (!byFile) await sendChunks(exchange, handle, plan.range, plan.length)
  }
  res.end()
}

async function sendChunks(exchange: Exchange, handle: BlobHandle, range: ByteRange | undefined, length: number): Promise<void> {
  const { res, signal } = exchange
  let left = length
  for await (const chunk of handle.open(range, signal)) {
    signal.throwIfAborted()
    if (chunk.length > left) throw new Error(`more bytes of ${handle.descriptor.digest} than its descriptor says`)
    left -= chunk.length
    exchange.bodyBytes += chunk.length
    await written(res, chunk)
  }
  if (left > 0) throw new Error(`${left} bytes of ${handle.descriptor.digest} are missing`)
}

/** Resolves when the connection has taken the chunk, so that its memory may be used again. Rejects when the client is gone. */
export function written(res: ServerResponse, chunk: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    res.write(chunk, (error) => (error === null || error === undefined ? resolve() : reject(error)))
  })
}
