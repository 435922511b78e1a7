// A circuit breaker per origin (registry, token server, each CDN host): after failures in a row nobody waits for a server that is
// away; one request at a time finds out whether it is back.
//
//   closed ──failures in a row──► open ──pause over──► half open ──probe succeeds──► closed
//                                  ▲                      │
//                                  └──probe fails, longer pause──┘
import { UpstreamFailure } from '../content.ts'
import type { Clock } from '../lib/clock.ts'
import type { Log } from '../telemetry/log.ts'

const failuresToOpen = 5
const firstPauseMs = 1_000
/** A recovered origin is noticed so soon. One request in so long a time is no burden, even to a server in trouble. */
const longestPauseMs = 5_000
/** Redirects name hosts that we do not choose. */
const mostCircuits = 1_000
/** An origin that answered here so recently is not given up because another replica cannot reach it. */
const ownEvidenceMs = 5_000

/** Not even tried: the origin has failed too often. */
export class CircuitOpen extends UpstreamFailure {
  constructor(message: string, retryAfterSeconds: number) {
    super('unavailable', message, { status: 503, retryAfterSeconds })
    this.name = 'CircuitOpen'
  }
}

export type BreakerState = 'closed' | 'open' | 'half-open'

interface Circuit {
  failures: number
  pauseMs: number
  /** `undefined`: closed. */
  openUntil: number | undefined
  isProbing: boolean
  /** Opened by what another replica has met, not by failures of our own. */
  isHeard: boolean
  /** The last one that was thrown: many are, and each new one would cost a stack trace. */
  refusal: CircuitOpen | undefined
}

export class Breakers {
  readonly #clock: Clock
  readonly #log: Log
  readonly #circuits = new Map<string, Circuit>()
  /** When an origin last answered here. */
  readonly #answered = new Map<string, number>()
  /** Hears of circuits that open (until when, in milliseconds since 1970) and close (0) by what this replica has met. */
  #tell: ((origin: string, openUntil: number) => void) | undefined

  constructor(clock: Clock, log: Log) {
    this.#clock = clock
    this.#log = log
  }

  /** Throws CircuitOpen at once while the origin's circuit is open. What is admitted must be ended by one of the verdict's methods. */
  admit(origin: string): Verdict {
    const circuit = this.#circuits.get(origin)
    if (circuit?.openUntil === undefined) return this.#verdict(origin, false)
    const leftMs = circuit.openUntil - this.#clock.now()
    if (leftMs > 0 || circuit.isProbing) {
      const retryAfterSeconds = Math.max(1, Math.ceil(leftMs / 1000))
      if (circuit.refusal?.retryAfterSeconds !== retryAfterSeconds) {
        circuit.refusal = new CircuitOpen(`${origin} failed ${circuit.failures} times in a row: not asked for now`, retryAfterSeconds)
      }
      throw circuit.refusal
    }
    circuit.isProbing = true
    return this.#verdict(origin, true)
  }

  tellTo(tell: (origin: string, openUntil: number) => void): void {
    this.#tell = tell
  }

  /** What another replica has met. Its network may be the broken one: what answers us, and what fails here, is known better. */
  hear(origin: string, openUntil: number): void {
    const now = this.#clock.now()
    const circuit = this.#circuits.get(origin)
    if (openUntil <= now) {
      if (openUntil === 0 && circuit?.isHeard === true) this.#circuits.delete(origin)
      return
    }
    if (now - (this.#answered.get(origin) ?? 0) < ownEvidenceMs) return
    const heard = circuit ?? this.#newCircuit(origin)
    if (heard.openUntil === undefined) heard.isHeard = true
    heard.failures = Math.max(heard.failures, failuresToOpen)
    heard.openUntil = Math.max(heard.openUntil ?? 0, Math.min(openUntil, now + longestPauseMs))
  }

  stateOf(origin: string): BreakerState {
    const circuit = this.#circuits.get(origin)
    if (circuit?.openUntil === undefined) return 'closed'
    return circuit.openUntil > this.#clock.now() ? 'open' : 'half-open'
  }

  /** Origins that failed so often that they are left alone, or are being tried again. */
  *notClosed(): Generator<readonly [origin: string, state: BreakerState]> {
    for (const [origin, { openUntil }] of this.#circuits) if (openUntil !== undefined) yield [origin, this.stateOf(origin)]
  }

  #verdict(origin: string, isProbe: boolean): Verdict {
    let isOver = false
    const once = (act: () => void) => () => {
      if (isOver) return
      isOver = true
      act()
    }
    return {
      worked: once(() => this.#worked(origin)),
      failed: once(() => this.#failed(origin, isProbe)),
      // The caller left before anything was learnt: the next one may probe.
      unknown: once(() => {
        const circuit = this.#circuits.get(origin)
        if (isProbe && circuit !== undefined) circuit.isProbing = false
      }),
    }
  }

  #worked(origin: string): void {
    if (this.#tell !== undefined) this.#noteAnswer(origin)
    const circuit = this.#circuits.get(origin)
    if (circuit === undefined) return
    this.#circuits.delete(origin)
    if (circuit.openUntil === undefined) return
    this.#log.info({ origin }, 'upstream answers again')
    this.#tell?.(origin, 0)
  }

  #failed(origin: string, isProbe: boolean): void {
    const circuit = this.#circuits.get(origin) ?? this.#newCircuit(origin)
    circuit.failures += 1
    // Requests that were under way when it opened say nothing new.
    if (circuit.openUntil !== undefined && !isProbe) return
    if (circuit.failures < failuresToOpen) return
    if (isProbe) circuit.pauseMs = Math.min(circuit.pauseMs * 2, longestPauseMs)
    else this.#log.warn({ origin, failures: circuit.failures }, 'upstream fails again and again: it is left alone for a while')
    circuit.openUntil = this.#clock.now() + circuit.pauseMs
    circuit.isProbing = false
    circuit.isHeard = false
    this.#tell?.(origin, circuit.openUntil)
  }

  #noteAnswer(origin: string): void {
    if (this.#answered.size >= mostCircuits && !this.#answered.has(origin)) this.#answered.clear()
    this.#answered.set(origin, this.#clock.now())
  }

  #newCircuit(origin: string): Circuit {
    const circuit: Circuit = {
      failures: 0,
      pauseMs: firstPauseMs,
      openUntil: undefined,
      isProbing: false,
      isHeard: false,
      refusal: undefined,
    }
    const oldest = this.#circuits.size < mostCircuits ? undefined : this.#circuits.keys().next().value
    if (oldest !== undefined) this.#circuits.delete(oldest)
    this.#circuits.set(origin, circuit)
    return circuit
  }
}

/** What became of an admitted request. The first call counts. */
export interface Verdict {
  worked(): void
  failed(): void
  unknown(): void
}
