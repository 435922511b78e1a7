// Bytes that go from upstream to one client without being kept: ranges far ahead of the fill, and blobs that the disk refuses.
import type { Hash } from 'node:crypto'
import { UpstreamFailure } from '../content.ts'
import { algorithmOf, type Digest, digestOfHash } from '../oci/digest.ts'
import { resumingTransfer, type ResumingTransferOptions } from './resuming-transfer.ts'

export interface DirectRead {
  readonly digest: Digest
  readonly start: number
  /** Exclusive. */
  readonly end: number
  /** Of the whole blob. */
  readonly size: number
  /** Of the bytes before `start`, where the reader has had them all: the blob's last byte then waits for the verdict. */
  readonly hash?: Hash | undefined
}

/** Throws UpstreamFailure when upstream breaks for good, or when what passed is not what the digest says. */
export async function* readDirectly(read: DirectRead, options: ResumingTransferOptions): AsyncGenerator<Uint8Array> {
  let position = read.start
  for await (const chunk of resumingTransfer({ start: position, end: read.end, size: read.size }, undefined, options)) {
    position += chunk.length
    read.hash?.update(chunk)
    if (read.hash === undefined || position < read.size) {
      yield chunk
      continue
    }
    if (chunk.length > 1) yield chunk.subarray(0, -1)
    const actual = digestOfHash(read.hash, algorithmOf(read.digest))
    if (actual !== read.digest) throw new UpstreamFailure('broken', `upstream sent ${actual} for ${read.digest}`)
    yield chunk.subarray(-1)
  }
}
