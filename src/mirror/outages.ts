// A line in the log when an upstream begins to fail, and one when it is back: not one for each pull in between, and not a pair for
// each failure of an upstream that fails now and then.
import type { UpstreamFailure } from '../content.ts'
import type { Clock } from '../lib/clock.ts'
import { type MirrorFacts, noMirrorFacts } from '../telemetry/facts.ts'
import type { Log } from '../telemetry/log.ts'

/** An upstream that fails again so soon after it was back says nothing until so long after. */
const quietMs = 60_000

/** An upstream that fails. */
export interface Outage {
  readonly upstream: string
  readonly since: number
  /** Old answers that have stood in since. */
  readonly staleAnswers: number
}

interface Health {
  /** `undefined`: it works. */
  began: number | undefined
  stale: number
  wasTold: boolean
  /** When its last line was written. */
  toldAt: number
}

export class Outages {
  readonly #clock: Clock
  readonly #log: Log
  readonly #facts: MirrorFacts
  readonly #upstreams = new Map<string, Health>()

  constructor(clock: Clock, log: Log, facts: MirrorFacts = noMirrorFacts) {
    this.#facts = facts
    this.#clock = clock
    this.#log = log
  }

  /** A question to this upstream failed. */
  failed(upstream: string, error: UpstreamFailure): void {
    const now = this.#clock.now()
    const health = this.#upstreams.get(upstream) ?? { began: undefined, stale: 0, wasTold: false, toldAt: Number.NEGATIVE_INFINITY }
    this.#upstreams.set(upstream, health)
    if (health.began === undefined) this.#facts.outage(upstream, true)
    health.began ??= now
    if (health.wasTold || now - health.toldAt < quietMs) return
    health.wasTold = true
    health.toldAt = now
    this.#log.warn({ upstream, kind: error.kind, error }, 'upstream is in trouble: tags that are here are served as they are')
  }

  /** An old answer stood in. */
  stoodIn(upstream: string): void {
    const health = this.#upstreams.get(upstream)
    if (health?.began !== undefined) health.stale += 1
  }

  /** Those of now. */
  running(): Outage[] {
    return [...this.#upstreams].flatMap(([upstream, { began, stale }]) =>
      began === undefined ? [] : [{ upstream, since: began, staleAnswers: stale }],
    )
  }

  /** This upstream answered. */
  worked(upstream: string): void {
    const health = this.#upstreams.get(upstream)
    if (health?.began === undefined) return
    const now = this.#clock.now()
    const seconds = Math.round((now - health.began) / 1000)
    if (health.wasTold) {
      this.#log.info({ upstream, seconds, staleAnswers: health.stale }, 'upstream is back')
      health.toldAt = now
    }
    this.#facts.outage(upstream, false)
    health.began = undefined
    health.stale = 0
    health.wasTold = false
  }
}
