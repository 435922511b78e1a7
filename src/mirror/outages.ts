// One line in the log when an upstream begins to fail, one when it is back: not one for each pull in between.
import type { UpstreamFailure } from '../content.ts'
import type { Clock } from '../lib/clock.ts'
import type { Log } from '../telemetry/log.ts'

interface Outage {
  readonly began: number
  stale: number
}

export class Outages {
  readonly #clock: Clock
  readonly #log: Log
  readonly #outages = new Map<string, Outage>()

  constructor(clock: Clock, log: Log) {
    this.#clock = clock
    this.#log = log
  }

  /** A question to this upstream failed. */
  failed(upstream: string, error: UpstreamFailure): void {
    if (this.#outages.has(upstream)) return
    this.#outages.set(upstream, { began: this.#clock.now(), stale: 0 })
    this.#log.warn({ upstream, kind: error.kind, error }, 'upstream is in trouble: tags that are here are served as they are')
  }

  /** An old answer stood in. */
  stoodIn(upstream: string): void {
    const outage = this.#outages.get(upstream)
    if (outage !== undefined) outage.stale += 1
  }

  /** This upstream answered. */
  worked(upstream: string): void {
    const outage = this.#outages.get(upstream)
    if (outage === undefined) return
    this.#outages.delete(upstream)
    const seconds = Math.round((this.#clock.now() - outage.began) / 1000)
    this.#log.info({ upstream, seconds, staleAnswers: outage.stale }, 'upstream is back')
  }
}
