// A transfer from the replica that fetches a blob ends when that replica brings nothing and has lost its lease: it stands still,
// or the network between the two is cut, and the connection says so only much later.
import { type BlobTransfer, UpstreamFailure } from '../content.ts'
import type { Clock } from '../lib/clock.ts'

/** A holder that was silent for so long is looked after. */
const quietMs = 1_000

/** Made once: an abort without a reason makes a new exception each time. */
const isOver = new Error('the transfer is over')

export interface HolderWatch {
  /** Whether the replica still holds the lease; asked only while it is silent. Must not throw. */
  readonly stillHolds: () => Promise<boolean>
  readonly clock: Clock
}

/** What the holder answers. Throws UpstreamFailure (`unreachable`) when it has not answered yet and is given up. */
export async function answerOfHolder(
  opening: Promise<BlobTransfer | undefined>,
  { stillHolds, clock }: HolderWatch,
): Promise<BlobTransfer | undefined> {
  const over = new AbortController()
  const loss = (async () => {
    do await clock.sleep(quietMs, over.signal)
    while (await stillHolds())
    throw new UpstreamFailure('unreachable', 'the replica that fetches the blob does not answer and has lost its lease')
  })()
  try {
    return await Promise.race([opening, loss])
  } catch (error) {
    // Nobody waits for it any more; should it come after all, its connection must be free again.
    opening.then((late) => late?.close()).catch(() => undefined)
    throw error
  } finally {
    over.abort(isOver)
    loss.catch(() => undefined)
  }
}

/** The same transfer; its body throws UpstreamFailure (`unreachable`) when the holder is given up. */
export function untilHolderIsGone(transfer: BlobTransfer, watch: HolderWatch): BlobTransfer {
  return { ...transfer, body: watchedBody(transfer, watch), close: () => transfer.close() }
}

async function* watchedBody(transfer: BlobTransfer, { stillHolds, clock }: HolderWatch): AsyncGenerator<Uint8Array> {
  const over = new AbortController()
  // A reader who takes his time is no silence of the holder.
  const state = { turns: 0, isWaiting: true, isGone: false }
  const look = async () => {
    for (let seen = -1; ; ) {
      await clock.sleep(quietMs, over.signal)
      const isSilent = state.isWaiting && state.turns === seen
      seen = state.turns
      if (!isSilent || (await stillHolds()) || over.signal.aborted || state.turns !== seen) continue
      state.isGone = true
      transfer.close()
      return
    }
  }
  // It ends by `over` alone.
  look().catch(() => undefined)
  try {
    for await (const chunk of transfer.body) {
      state.isWaiting = false
      yield chunk
      state.turns += 1
      state.isWaiting = true
    }
  } catch (error) {
    if (!state.isGone) throw error
  } finally {
    over.abort(isOver)
  }
  if (state.isGone) throw new UpstreamFailure('unreachable', 'the replica that fetches the blob brings nothing and has lost its lease')
}
