// Whether a range that begins ahead of a running fill gets a transfer of its own from upstream, or waits for the fill to come there.
// Pure. A lone client should not wait, and what lazy pullers look up least of all; a crowd that comes back after its replica has died
// would fetch the blob several times.

/** What begins nearer than this to the fill waits for it. */
const nearBytes = 4 * 1024 * 1024
/** A range of at most so many bytes (an index at the end of a lazily pulled layer). */
const smallRangeBytes = 8 * 1024 * 1024
/** Transfers besides the fill, at a time. */
const mostReads = 8
/** Above what a take-over from a dead replica takes. A range that the fill reaches sooner, going by what it did so far, waits. */
const patienceMs = 10_000
/** Of the blob: so much is given ahead of the fill without a look at how soon it comes there. */
const freeShare = 0.02

export interface AheadFacts {
  /** Bytes from where the fill is to where the range begins. */
  readonly distance: number
  /** Bytes of the range that are left. */
  readonly length: number
  /** Of the whole blob. */
  readonly size: number
  /** Of the fill, on the average so far; 0 when it has only begun. */
  readonly bytesPerSecond: number
  /** Milliseconds since the fill brought something. */
  readonly quietMs: number
  /** Transfers ahead of it at this moment. */
  readonly reads: number
  /** Bytes that were given, or are going to be given, ahead of it. */
  readonly bytes: number
}

export function isSmallRange(length: number): boolean {
  return length <= smallRangeBytes
}

/** Whether the range may be read from upstream on its own. */
export function mayGoAhead(facts: AheadFacts): boolean {
  if (facts.distance <= nearBytes || facts.reads >= mostReads) return false
  const isFree = facts.bytes < facts.size * freeShare
  const isSmall = isSmallRange(facts.length)
  if (isSmall && isFree) return true
  // A long one is as good as a second fill: one at a time.
  return !isReachedSoon(facts) && (isSmall || isFree)
}

/** Whether waiting for the fill is as good as a transfer of one's own. */
export function isReachedSoon({ distance, bytesPerSecond, quietMs }: AheadFacts): boolean {
  return quietMs < patienceMs && distance * 1000 <= bytesPerSecond * patienceMs
}

/** When a range that waits should be looked at again although the fill brings nothing, in milliseconds from now. */
export function nextLookMs(quietMs: number): number {
  return Math.max(1_000, patienceMs - quietMs)
}
