// One client's way through a blob that is on its way in: from the growing file where it can, from upstream where it must.
import type { FileHandle } from 'node:fs/promises'
import type { Hash } from 'node:crypto'
import { type BlobHandle, UpstreamFailure } from '../content.ts'
import { waitFor } from '../lib/abort.ts'
import { readBuffers } from '../lib/read-buffers.ts'
import { type Digest, hashFor } from '../oci/digest.ts'
import type { ByteRange } from '../oci/range.ts'
import { type AheadFacts, isReachedSoon, isSmallRange, mayGoAhead } from './ahead.ts'
import { readDirectly } from './direct-read.ts'
import type { FillPace } from './fill-pace.ts'
import type { ResumingTransferOptions } from './resuming-transfer.ts'

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
  readonly pace: FillPace
  /** How to read from upstream by oneself. */
  direct(signal: AbortSignal): ResumingTransferOptions
}

export async function* readGrowing(blob: GrowingBlob, range: ByteRange, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const end = range.end + 1
  // A long one does not get the blob's last byte before the verdict on the whole.
  const aheadEnd = isSmallRange(end - range.start) ? end : Math.min(end, blob.size - 1)
  let position = range.start
  let mayReadAhead = range.start > 0
  while (position < end) {
    const source = sourceOf(blob, position, mayReadAhead ? aheadEnd : position)
    if (source === 'growth') {
      if (mayReadAhead) blob.pace.watch()
      await waitFor(blob.growth, signal)
      continue
    }
    const piece = { start: position, end: source === 'ahead' ? aheadEnd : end, isWhole: range.start === 0 }
    for await (const chunk of open(blob, source, piece, signal)) {
      position += chunk.length
      yield chunk
      if (source === 'ahead' && isCaughtUp(blob, position, aheadEnd)) break
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
  return position < aheadEnd && mayGoAhead(factsOf(blob, position, aheadEnd)) ? 'ahead' : 'growth'
}

function factsOf({ visible, size, pace }: GrowingBlob, position: number, aheadEnd: number): AheadFacts {
  return pace.facts({ distance: position - visible, length: aheadEnd - position, size })
}

/** Whether a read ahead of the fill has become needless. */
function isCaughtUp(blob: GrowingBlob, position: number, aheadEnd: number): boolean {
  if (blob.visible > position) return true
  const facts = factsOf(blob, position, aheadEnd)
  return !isSmallRange(facts.length) && isReachedSoon(facts)
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

/** Ends early, without an error, when upstream breaks for good: the fill, or its failure, then decides for this reader, too. */
async function* readAhead(blob: GrowingBlob, start: number, end: number, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  let left = end - start
  const over = blob.pace.goAhead(left)
  try {
    for await (const chunk of readDirectly({ digest: blob.digest, start, end, size: blob.size }, blob.direct(signal))) {
      left -= chunk.length
      yield chunk
    }
  } catch (error) {
    if (!(error instanceof UpstreamFailure)) throw error
  } finally {
    over(left)
  }
}

/** For who begins to read after the end of a fill: the store has the blob, or upstream must give it once more. */
export async function* readSettled(
  blob: GrowingBlob,
  stored: BlobHandle | undefined,
  { start, end }: ByteRange,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  if (stored !== undefined) return yield* stored.open({ start, end }, signal)
  const { digest, size } = blob
  const hash = start === 0 ? hashFor(digest) : undefined
  yield* readDirectly({ digest, start, end: end + 1, size, hash }, blob.direct(signal))
}
