// When a transfer breaks: try again, and after how long? Pure: failure and attempt in, decision out.
import type { UpstreamFailure } from '../content.ts'

/** Waits before the 1st, 2nd, … try without progress in between. The first is at once: most cuts are of one connection only. */
const waitsMs = [0, 500, 1_000, 2_000, 5_000, 10_000] as const
/** A 429 that asks for more patience than this is final: the waiting clients are better off with an error. */
const longestRetryAfterSeconds = 30

export interface Break {
  readonly failure: UpstreamFailure
  /** Tries since the last byte of progress. */
  readonly attempt: number
}

/** Milliseconds to wait before the next try, or `give-up`. */
export function afterBreak({ failure, attempt }: Break): number | 'give-up' {
  const wait = waitsMs[attempt]
  if (wait === undefined) return 'give-up'
  switch (failure.kind) {
    case 'denied':
      // The upstream client has renewed its token once already.
      return attempt === 0 ? wait : 'give-up'
    case 'rate-limited': {
      const asked = failure.retryAfterSeconds ?? 5
      return asked <= longestRetryAfterSeconds ? asked * 1_000 : 'give-up'
    }
    case 'broken':
      return attempt < 2 ? Math.max(wait, (failure.retryAfterSeconds ?? 0) * 1_000) : 'give-up'
    case 'unreachable':
    case 'timeout':
    case 'unavailable':
      return wait
  }
}
