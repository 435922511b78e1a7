// Docker Hub's pull limit as its headers tell it: `ratelimit-limit: 100;w=3600`. Only the headers are believed, never a documented number.

export interface RateLimit {
  /** Pulls per window. */
  readonly limit: number
  /** Pulls left in the window. */
  readonly remaining: number
  /** `undefined` when the header does not say. */
  readonly windowSeconds: number | undefined
  /** What the limit is counted for: an IP address or an account. */
  readonly source: string | undefined
  /** When upstream said so. */
  readonly seenAt: number
}

interface Counted {
  readonly count: number
  readonly windowSeconds: number | undefined
}

/** `N;w=S`; `undefined` when it can't be understood. */
function parseCounted(header: string | undefined): Counted | undefined {
  const match = /^\s*(\d{1,12})\s*(?:;\s*w=(\d{1,9})\s*)?(?:;.*)?$/.exec(header ?? '')
  if (match === null) return undefined
  return { count: Number(match[1]), windowSeconds: match[2] === undefined ? undefined : Number(match[2]) }
}

/** `header` gives a header's value by its lower-case name. `undefined`: this answer tells of no limit. */
export function parseRateLimit(header: (name: string) => string | undefined, now: number): RateLimit | undefined {
  const limit = parseCounted(header('ratelimit-limit'))
  const remaining = parseCounted(header('ratelimit-remaining'))
  if (limit === undefined || remaining === undefined) return undefined
  return {
    limit: limit.count,
    remaining: remaining.count,
    windowSeconds: limit.windowSeconds ?? remaining.windowSeconds,
    source: header('docker-ratelimit-source'),
    seenAt: now,
  }
}
