// Docker Hub's pull limit: counts GETs of manifests per source and tells of it in headers.
import { type Answer, jsonAnswer } from './answer.ts'
import type { Quota } from './settings.ts'

interface Count {
  since: number
  used: number
}

/** The counts per source, in windows that start with the first pull. */
export class Pulls {
  readonly #counts = new Map<string, Count>()
  readonly #now: () => number

  constructor(now: () => number) {
    this.#now = now
  }

  /** Pulls that this source has used in the running window, or all sources together in all their running windows. */
  used(source?: string): number {
    if (source !== undefined) return this.#counts.get(source)?.used ?? 0
    return [...this.#counts.values()].reduce((total, count) => total + count.used, 0)
  }

  reset(): void {
    this.#counts.clear()
  }

  /** The running window's count, a new one if the last window is over. */
  #countOf(source: string, quota: Quota): Count {
    const known = this.#counts.get(source)
    if (known !== undefined && this.#now() - known.since < quota.windowSeconds * 1000) return known
    const fresh = { since: this.#now(), used: 0 }
    this.#counts.set(source, fresh)
    return fresh
  }

  isExhausted(source: string, quota: Quota): boolean {
    return this.#countOf(source, quota).used >= quota.limit
  }

  charge(source: string, quota: Quota): void {
    this.#countOf(source, quota).used += 1
  }

  headers(source: string, quota: Quota): Record<string, string> {
    const left = Math.max(0, quota.limit - this.#countOf(source, quota).used)
    return {
      'RateLimit-Limit': `${quota.limit};w=${quota.windowSeconds}`,
      'RateLimit-Remaining': `${left};w=${quota.windowSeconds}`,
      'Docker-RateLimit-Source': source,
    }
  }
}

const words = {
  new: 'You have reached your unauthenticated pull rate limit. https://www.docker.com/increase-rate-limit',
  old: 'You have reached your pull rate limit. You may increase the limit by authenticating and upgrading: https://www.docker.com/increase-rate-limit',
} as const

/** The 429 of the pull limit: JSON, without Retry-After. */
export function pullLimitAnswer(quota: Quota, headers: Record<string, string>): Answer {
  const error = { code: 'TOOMANYREQUESTS', message: words[quota.message ?? 'new'] }
  return jsonAnswer(429, { errors: [error] }, headers)
}
