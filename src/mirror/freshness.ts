// May a tag's remembered digest be given out as it is? The one place that decides; pure. Digests never get here: they can't go stale.

export interface FreshnessPolicy {
  /** A tag confirmed at most so long ago is given out without a question. */
  readonly ttlSeconds: number
  /** A tag confirmed at most so long ago may stand in while upstream is in trouble. */
  readonly staleIfErrorSeconds: number
}

/** What became of asking upstream. `not-asked`: nobody has asked yet, for this request. */
export type UpstreamState = 'not-asked' | 'in-trouble' | 'denied'

export interface TagFacts {
  /** Seconds since upstream last confirmed the tag; `undefined`: not since this mirror started. */
  readonly ageSeconds: number | undefined
  readonly upstream: UpstreamState
}

export type Verdict = 'serve' | 'revalidate' | 'serve-stale' | 'refuse'

/** Asked twice: before the question, and after one that failed. Only for tags whose manifest is here. */
export function judge(facts: TagFacts, policy: FreshnessPolicy): Verdict {
  if (facts.upstream === 'not-asked') {
    return facts.ageSeconds !== undefined && facts.ageSeconds < policy.ttlSeconds ? 'serve' : 'revalidate'
  }
  // A refusal is an answer, not an outage: content that upstream withdrew from us is not ours to hand out.
  if (facts.upstream === 'denied') return 'refuse'
  return (facts.ageSeconds ?? 0) < policy.staleIfErrorSeconds ? 'serve-stale' : 'refuse'
}
