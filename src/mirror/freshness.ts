// May a tag's remembered digest be given out as it is? The one place that decides; pure: age, policy, and what is known of
// upstream come in as facts. Digests never get here: they can't go stale.

export interface FreshnessPolicy {
  /** A tag confirmed at most so long ago is given out without a question. */
  readonly ttlSeconds: number
  /** For so long after that it is given out at once, while upstream is asked in the background. */
  readonly staleWhileRevalidateSeconds: number
  /** A tag confirmed at most so long ago may stand in while upstream can't answer. */
  readonly staleIfErrorSeconds: number
  /** Whether it may stand in also when upstream refuses us access. */
  readonly staleIfDenied: boolean
  /** Whether it may stand in also when upstream has no such tag any more. */
  readonly staleIfDeleted: boolean
  /** Pulls that are left for cold requests: at so many background work stops, below it revalidation, too. */
  readonly quotaReserve: number
}

/** What became of asking upstream. `not-asked`: nobody has asked yet, for this request. */
export type UpstreamOutcome = 'not-asked' | 'in-trouble' | 'denied' | 'deleted'

export interface TagFacts {
  /** Seconds since upstream last confirmed the tag; `undefined`: nobody knows. */
  readonly ageSeconds: number | undefined
  readonly upstream: UpstreamOutcome
  /** Upstream wants to be left alone for now. */
  readonly isPaused: boolean
  /** Pulls that upstream still grants; `undefined`: unlimited, or unknown. */
  readonly pullsLeft: number | undefined
}

export type FreshnessVerdict = 'serve' | 'serve-and-revalidate' | 'revalidate' | 'serve-stale' | 'refuse'

/** Asked twice: before the question, and after one that brought no new answer. Only for tags whose manifest is here. */
export function judge(facts: TagFacts, policy: FreshnessPolicy): FreshnessVerdict {
  return facts.upstream === 'not-asked' ? beforeTheQuestion(facts, policy) : afterTheQuestion(facts, policy)
}

function beforeTheQuestion(facts: TagFacts, policy: FreshnessPolicy): FreshnessVerdict {
  const age = facts.ageSeconds ?? Number.POSITIVE_INFINITY
  if (age < policy.ttlSeconds) return 'serve'
  if (age < policy.ttlSeconds + policy.staleWhileRevalidateSeconds)
    return mayWorkInBackground(facts, policy) ? 'serve-and-revalidate' : 'serve'
  const mustSave = facts.isPaused || (facts.pullsLeft !== undefined && facts.pullsLeft < policy.quotaReserve)
  return mustSave && isYoungEnough(facts, policy) ? 'serve-stale' : 'revalidate'
}

function afterTheQuestion(facts: TagFacts, policy: FreshnessPolicy): FreshnessVerdict {
  if (facts.upstream === 'denied' && !policy.staleIfDenied) return 'refuse'
  if (facts.upstream === 'deleted' && !policy.staleIfDeleted) return 'refuse'
  return isYoungEnough(facts, policy) ? 'serve-stale' : 'refuse'
}

/** What nobody waits for must leave the reserve alone: finding a tag moved costs a pull. */
export function mayWorkInBackground(
  facts: Pick<TagFacts, 'isPaused' | 'pullsLeft'>,
  policy: Pick<FreshnessPolicy, 'quotaReserve'>,
): boolean {
  return !facts.isPaused && (facts.pullsLeft === undefined || facts.pullsLeft > policy.quotaReserve)
}

/** A tag may be asked for by HEAD, which is free, and found moved, while what it has moved to costs a pull that is not there. */
export function canFetch({ isPaused, pullsLeft }: Pick<TagFacts, 'isPaused' | 'pullsLeft'>): boolean {
  return !isPaused && pullsLeft !== 0
}

function isYoungEnough({ ageSeconds }: TagFacts, policy: FreshnessPolicy): boolean {
  return (ageSeconds ?? 0) < policy.staleIfErrorSeconds
}
