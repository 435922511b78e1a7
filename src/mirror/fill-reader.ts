// One client's way through a blob that is on its way in: from the growing file where it can, from upstream where it must.
import type { FileHandle } from 'node:fs/promises'
import type { Hash } from 'node:crypto'
import { UpstreamFailure } from '../content.ts'
import { waitFor } from '../lib/abort.ts'
import { readBuffers } from '../lib/read-buffers.ts'
import type { Digest } from '../oci/digest.ts'
import type { ByteRange } from '../oci/range.ts'
import { readDirectly } from './direct-read.ts'
import type { ResumingTransferOptions } from './resuming-transfer.ts'

/** A range that begins so far ahead of the fill is read from upstream on its own; a nearer one waits for the fill. */
const aheadBytes = 4 * 1024 * 1024
/** A range of at most so many bytes (an index at the end of a lazily pulled layer) does not wait for the verdict on the whole. */
const smallRangeBytes = 8 * 1024 * 1024
/** Ranged reads of one fill at a time, besides the fill itself. */
const mostAheadReads = 8

/** What a reader sees of a fill. The values change while it reads. */
export interface GrowingBlob {
  readonly digest: Digest
  readonly size: number
  readonly state: 'filling' | 'verified' | 'failed' | 'unkept'
  readonly failure: unknown
  /** Bytes from 0 on that readers may have. */
  readonly visible: number
  /** Resolves at the next change of `visible` or `state`. */
  readonly growth: Promise<void>
  readonly file: FileHandle | undefined
  /** With `unkept`: bytes in the file, and a copy of the hash of them. */
  readonly kept: { readonly bytes: number; hash(): Hash }
  aheadReads: number
  /** How to read from upstream by oneself. */
  direct(signal: AbortSignal): ResumingTransferOptions
}

export async function* readGrowing(blob: GrowingBlob, range: ByteRange, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const end = range.end + 1
  const aheadEnd = end - range.start <= smallRangeBytes ? end : Math.min(end, blob.size - 1)
  let position = range.start
  let mayReadAhead = range.start > 0
  while (position < end) {
    const source = sourceOf(blob, position, mayReadAhead ? aheadEnd : position)
    if (source === 'growth') {
      await waitFor(blob.growth, signal)
      continue
    }
    for await (const chunk of open(
      blob,
      source,
      { start: position, end: source === 'ahead' ? aheadEnd : end, isWhole: range.start === 0 },
      signal,
    )) {
      position += chunk.length
      yield chunk
      if (source === 'ahead' && blob.visible > position) break
    }
    mayReadAhead &&= source !== 'ahead'
  }
}

type Source = 'file' | 'failed' | 'direct' | 'ahead' | 'growth'

/** Where the byte at `position` is to come from. */
function sourceOf(blob: GrowingBlob, position: number, aheadEnd: number): Source {
  if (blob.visible > position && blob.file !== undefined) return 'file'
  if (blob.state === 'failed') return 'failed'
  if (blob.state === 'unkept') return 'direct'
  return position < aheadEnd && isFarAhead(blob, position) ? 'ahead' : 'growth'
}

interface Piece {
  readonly start: number
  /** Exclusive. */
  readonly end: number
  /** Whether the reader has had the blob from its first byte on. */
  readonly isWhole: boolean
}

function open(blob: GrowingBlob, source: Exclude<Source, 'growth'>, piece: Piece, signal: AbortSignal): AsyncIterable<Uint8Array> {
  const { start, end, isWhole } = piece
  switch (source) {
    case 'file':
      return readBuffers.readChunks((blob.file as FileHandle).fd, start, Math.min(end, blob.visible), signal)
    case 'failed':
      throw blob.failure
    case 'direct': {
      const hash = isWhole && start === blob.kept.bytes ? blob.kept.hash() : undefined
      return readDirectly({ digest: blob.digest, start, end, size: blob.size, hash }, blob.direct(signal))
    }
    case 'ahead':
      return readAhead(blob, start, end, signal)
  }
}

function isFarAhead(blob: GrowingBlob, position: number): boolean {
  return position - blob.visible > aheadBytes && blob.aheadReads < mostAheadReads
}

/** Ends early, without an error, when upstream breaks for good: the fill, or its failure, then decides for this reader, too. */
async function* readAhead(blob: GrowingBlob, start: number, end: number, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  blob.aheadReads += 1
  try {
    yield* readDirectly({ digest: blob.digest, start, end, size: blob.size }, blob.direct(signal))
  } catch (error) {
    if (!(error instanceof UpstreamFailure)) throw error
  } finally {
    blob.aheadReads -= 1
  }
}
