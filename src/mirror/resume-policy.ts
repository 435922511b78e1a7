// When a transfer breaks: try again, and after how long? Pure: failure and attempt in, decision out.
import type { UpstreamFailure, UpstreamFailureKind } from '../content.ts'

/** Waits before the 1st, 2nd, … try without progress in between. The first is at once: most cuts are of one connection only. */
const waitsMs = [0, 500, 1_000, 2_000, 5_000, 10_000] as const
/** A 429 that asks for more patience than this is final: the waiting clients are better off with an error. */
const longestRetryAfterSeconds = 30

/** What another try can't be expected to change is tried seldom. `denied`: the upstream client has renewed its token once already. */
const mostTries: Readonly<Record<UpstreamFailureKind, number>> = {
  denied: 1,
  'login-refused': 0,
  broken: 2,
  unreachable: waitsMs.length,
  timeout: waitsMs.length,
  unavailable: waitsMs.length,
  'rate-limited': waitsMs.length,
}

export interface Break {
  readonly failure: UpstreamFailure
  /** Tries since the last byte of progress. */
  readonly attempt: number
}

/** Milliseconds to wait before the next try, or `give-up`. */
export function afterBreak({ failure, attempt }: Break): number | 'give-up' {
  const wait = waitsMs[attempt]
  const askedSeconds = failure.retryAfterSeconds ?? (failure.kind === 'rate-limited' ? 5 : 0)
  if (wait === undefined || attempt >= mostTries[failure.kind] || askedSeconds > longestRetryAfterSeconds) return 'give-up'
  return Math.max(wait, askedSeconds * 1_000)
}
