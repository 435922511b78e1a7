// One blob's bytes from upstream, in order and without a gap, over as many connections as it takes.
import { type BlobTransfer, type TransferRange, UpstreamFailure } from '../content.ts'
import type { Clock } from '../lib/clock.ts'
import { afterBreak } from './resume-policy.ts'

/** Less than this between two breaks is no progress: an upstream that gives a byte per try would be asked without end. */
const progressBytes = 32 * 1024

export interface ResumingTransferOptions {
  /** Opens a transfer from `range.start` on. */
  readonly open: (range: TransferRange) => Promise<BlobTransfer | undefined>
  readonly clock: Clock
  readonly signal: AbortSignal
  /** Told of each break that is going to be mended. */
  readonly onBreak?: (failure: UpstreamFailure, position: number) => void
}

interface Wanted {
  readonly start: number
  /** Exclusive; `undefined`: to wherever upstream ends. */
  readonly end: number | undefined
  /** Size of the whole blob, if known: a resumed answer of another size is of other content. */
  readonly size: number | undefined
}

/** Throws the UpstreamFailure that could not be mended. `first`, if given, is a transfer that is open already. */
export async function* resumingTransfer(
  wanted: Wanted,
  first: BlobTransfer | undefined,
  options: ResumingTransferOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  let position = wanted.start
  let attempt = 0
  let triedAt = position
  let transfer = first
  for (;;) {
    try {
      transfer ??= await reopen(wanted, position, options)
      for await (const chunk of pieces(transfer, position, wanted.end)) {
        position += chunk.length
        if (position - triedAt >= progressBytes) attempt = 0
        yield chunk
      }
      if (wanted.end === undefined || position >= wanted.end) return
      throw new UpstreamFailure('unreachable', `transfer ended at byte ${position} of ${wanted.end}`)
    } catch (error) {
      if (!(error instanceof UpstreamFailure)) throw error
      transfer = undefined
      const wait = afterBreak({ failure: error, attempt })
      if (wait === 'give-up') throw error
      attempt += 1
      triedAt = position
      options.onBreak?.(error, position)
      if (wait > 0) await options.clock.sleep(wait, options.signal)
    }
  }
}

async function reopen(wanted: Wanted, position: number, options: ResumingTransferOptions): Promise<BlobTransfer> {
  const range = wanted.end === undefined || wanted.end === wanted.size ? { start: position } : { start: position, end: wanted.end - 1 }
  const transfer = await options.open(range)
  if (transfer === undefined) throw new UpstreamFailure('broken', 'upstream has lost the blob in the middle of its transfer')
  if (wanted.size !== undefined && transfer.size !== undefined && transfer.size !== wanted.size) {
    transfer.close()
    throw new UpstreamFailure('broken', `upstream said ${wanted.size} bytes first and ${transfer.size} later`)
  }
  return transfer
}

/** The transfer's chunks from `position` to `end`: what an upstream sends before (Range ignored) or behind is dropped. */
async function* pieces(transfer: BlobTransfer, position: number, end: number | undefined): AsyncGenerator<Uint8Array> {
  let offset = transfer.start
  if (offset > position) {
    transfer.close()
    throw new UpstreamFailure('broken', `asked for bytes from ${position}, got them from ${offset}`)
  }
  for await (const chunk of transfer.body) {
    const from = Math.max(0, position - offset)
    const to = end === undefined ? chunk.length : Math.min(chunk.length, end - offset)
    offset += chunk.length
    if (to > from) yield from === 0 && to === chunk.length ? chunk : chunk.subarray(from, to)
    if (end !== undefined && offset >= end) return
  }
}
