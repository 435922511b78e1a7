// How many pulls upstream still grants us, and for how long it wants to be left alone: learnt from headers and 429s only.
import type { UpstreamFailure } from '../content.ts'
import type { Clock } from '../lib/clock.ts'
import type { RateLimit } from './rate-limits.ts'

/** The pause after a 429 that names none, doubled by each further one up to the window's length. */
const firstPauseMs = 60_000
const longestPauseMs = 3_600_000
/** A Retry-After beyond this is not believed. */
const longestAskedPauseMs = 24 * 3_600_000
/** Docker Hub's window, for a limit that does not name its own. */
const usualWindowSeconds = 3_600

/** What one replica tells the others: two things, for a replica that has not heard of a pause tells of limits. */
export type QuotaNews = { readonly limit: RateLimit } | { readonly pause: Pause }

/** Times in milliseconds since 1970. */
export interface Pause {
  /** In the past: it is over. */
  readonly until: number
  /** When it began, or was ended. */
  readonly changedAt: number
}

export class QuotaState {
  readonly #clock: Clock
  /** Hears what this replica has learnt itself. */
  #tell: (news: QuotaNews) => void = () => {}
  #pauseChangedAt = 0
  #last: RateLimit | undefined
  #pausedUntil = 0
  /** Questions so far. Answers come out of order, so each question keeps its number. */
  #asked = 0
  /** The last question that was asked when #last was learnt, and when the pause began. */
  #askedBeforeLast = 0
  #askedBeforePause = 0
  #pauseMs = firstPauseMs

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** What the last answer said; `undefined` when it spoke of no limit, or its window is over. */
  get rateLimit(): RateLimit | undefined {
    const last = this.#last
    if (last === undefined) return undefined
    const windowMs = (last.windowSeconds ?? usualWindowSeconds) * 1000
    return last.seenAt + windowMs > this.#clock.now() ? last : undefined
  }

  /** Milliseconds since 1970; in the past when there is no pause. */
  get pausedUntil(): number {
    return this.#pausedUntil
  }

  tellTo(tell: (news: QuotaNews) => void): void {
    this.#tell = tell
  }

  /** What another replica was told counts as if it had been told here. */
  hear(news: QuotaNews): void {
    const now = this.#clock.now()
    // Another replica's clock may be ahead.
    if ('limit' in news) {
      const { limit } = news
      if (limit.seenAt > (this.#last?.seenAt ?? 0)) this.#learn({ ...limit, seenAt: Math.min(limit.seenAt, now) })
      return
    }
    const { until, changedAt } = news.pause
    if (changedAt <= this.#pauseChangedAt) return
    this.#pauseChangedAt = Math.min(changedAt, now)
    this.#askedBeforePause = this.#asked
    this.#pausedUntil = Math.min(until, now + longestAskedPauseMs)
    if (until <= now) this.#pauseMs = firstPauseMs
  }

  /** The number of a question that is about to be asked. */
  asks(): number {
    this.#asked += 1
    return this.#asked
  }

  /**
   * An answer of the registry that was no 429. `limit`: what its headers say; answers without them say nothing about the account.
   * One that grants pulls and was asked for in a pause ends it: what the 429 spoke of is over.
   */
  saw(limit: RateLimit | undefined, question: number): void {
    if (limit === undefined) return
    // More is left than was known: either the window is over, or this is from before what is known.
    if (limit.remaining > (this.rateLimit?.remaining ?? 0) && question <= this.#askedBeforeLast) return
    this.#learn(limit)
    if (limit.remaining > 0) {
      this.#pauseMs = firstPauseMs
      if (question > this.#askedBeforePause && this.#pausedUntil > 0) this.#pauseUntil(0)
    }
    this.#tell({ limit })
  }

  /** A 429: nothing that can wait is asked before the pause is over. */
  limited(failure: UpstreamFailure, limit: RateLimit | undefined): void {
    if (limit !== undefined) {
      this.#learn(limit)
      this.#tell({ limit })
    }
    const now = this.#clock.now()
    if (this.#pausedUntil <= now) this.#beginPause(failure, now)
  }

  #beginPause(failure: UpstreamFailure, now: number): void {
    const windowMs = (this.#last?.windowSeconds ?? usualWindowSeconds) * 1000
    const own = Math.min(this.#pauseMs, windowMs)
    const asked = failure.retryAfterSeconds
    this.#askedBeforePause = this.#asked
    this.#pauseUntil(now + (asked === undefined ? own : Math.min(asked * 1000, longestAskedPauseMs)))
    this.#pauseMs = Math.min(this.#pauseMs * 2, longestPauseMs)
  }

  #pauseUntil(until: number): void {
    this.#pausedUntil = until
    this.#pauseChangedAt = this.#clock.now()
    this.#tell({ pause: { until, changedAt: this.#pauseChangedAt } })
  }

  #learn(limit: RateLimit): void {
    this.#last = limit
    this.#askedBeforeLast = this.#asked
  }
}
