// In which order equal sources are asked, and what a failure costs one of them. Pure.
import type { UpstreamFailure, UpstreamFailureKind } from '../content.ts'

export interface RankFacts {
  /** It failed a moment ago. */
  readonly isPenalised: boolean
  /** It said that no pulls are left, and this question is one. */
  readonly isOutOfQuota: boolean
  /** How often it brought no good copy of the blob in question. */
  readonly troubles: number
}

/** Nobody is left out: who failed may be the only one that is left. Otherwise the given order holds. */
export function ranked<S>(sources: readonly S[], factsOf: (source: S) => RankFacts): readonly S[] {
  return sources
    .map((source) => ({ source, facts: factsOf(source) }))
    .toSorted(
      ({ facts: a }, { facts: b }) =>
        Number(a.isPenalised) - Number(b.isPenalised) || Number(a.isOutOfQuota) - Number(b.isOutOfQuota) || a.troubles - b.troubles,
    )
    .map(({ source }) => source)
}

const shortestPenaltyMs = 15_000
const longestPenaltyMs = 240_000
const penaltyOf429Ms = 60_000

/** What says something about the source as a whole; a refusal or a bad answer is about one repository or one piece of content. */
const isAboutSource: Readonly<Record<UpstreamFailureKind, boolean>> = {
  unreachable: true,
  timeout: true,
  unavailable: true,
  'rate-limited': true,
  'login-refused': true,
  denied: false,
  broken: false,
}

/** For how long a source is asked after the others; longer with each failure in a row. `failures`: those before this one. */
export function penaltyMs(failure: UpstreamFailure, failures: number): number {
  if (failure.retryAfterSeconds !== undefined) return failure.retryAfterSeconds * 1000
  if (!isAboutSource[failure.kind]) return 0
  const shortest = failure.kind === 'rate-limited' ? penaltyOf429Ms : shortestPenaltyMs
  return Math.min(shortest * 2 ** failures, longestPenaltyMs)
}
