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
  /** The last one that was thrown: many are, and each new one would cost a stack trace. */
  refusal: CircuitOpen | undefined
}

export class Breakers {
  readonly #clock: Clock
  readonly #log: Log
  readonly #circuits = new Map<string, Circuit>()

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
    const circuit = this.#circuits.get(origin)
    if (circuit === undefined) return
    this.#circuits.delete(origin)
    if (circuit.openUntil !== undefined) this.#log.info({ origin }, 'upstream answers again')
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
  }

  #newCircuit(origin: string): Circuit {
    const circuit: Circuit = { failures: 0, pauseMs: firstPauseMs, openUntil: undefined, isProbing: false, refusal: undefined }
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
