// Answers to "may this be read?", remembered: a yes for a while, and a bounded while longer when nobody can be asked; a no for a shorter
// one. Who asks for the same thing at once shares one question.
import { LRUCache } from 'lru-cache'
import { UpstreamFailure } from '../content.ts'
import type { Clock } from '../lib/clock.ts'
import { SingleFlight } from '../lib/single-flight.ts'
import { waitUntil } from './patience.ts'

/** `wrong`: the name and the password themselves, whatever is asked for. */
export type Verdict = 'granted' | 'denied' | 'wrong'

export interface Judgement {
  readonly verdict: Verdict
  /** When upstream said so, in milliseconds since 1970. */
  readonly at: number
}

export interface Lives {
  /** How long each verdict holds. */
  readonly ms: Readonly<Record<Verdict, number>>
  /** How much longer `granted` holds while upstream cannot be asked. */
  readonly graceMs: number
}

const mostRemembered = 50_000
/** How long a verdict that stands in for an answer is served before upstream is asked again. */
const standInMs = 5_000
/** How long upstream is waited for where there is a verdict that can stand in. */
const patienceMs = 2_000

export interface VerdictsOptions {
  readonly lives: Lives
  readonly clock: Clock
  /** Ends the waiting for questions. */
  readonly stop: AbortSignal
}

interface Remembered extends Judgement {
  /** The verdict is served until then, though its own time may be over. */
  readonly servedUntil: number
  /** When upstream was asked last, whatever came of it. */
  readonly askedAt: number
}

export class Verdicts {
  readonly #options: VerdictsOptions
  readonly #remembered = new LRUCache<string, Remembered>({ max: mostRemembered })
  readonly #running = new SingleFlight<string, Verdict>()

  constructor(options: VerdictsOptions) {
    this.#options = options
  }

  /** What holds now; `undefined`: it has to be asked. */
  now(key: string): Verdict | undefined {
    const known = this.#remembered.get(key)
    return known !== undefined && this.#options.clock.now() < known.servedUntil ? known.verdict : undefined
  }

  /** The last that was heard, however old. */
  last(key: string): Judgement | undefined {
    return this.#remembered.peek(key)
  }

  /** Whether a `granted` has lived half of its life, so that it is time to ask before anybody has to wait. */
  isAgeing(key: string): boolean {
    const known = this.#remembered.peek(key)
    if (known === undefined) return false
    const now = this.#options.clock.now()
    return now - known.at > this.#options.lives.ms.granted / 2 && now - known.askedAt > standInMs
  }

  remember(key: string, { verdict, at }: Judgement): void {
    const now = this.#options.clock.now()
    // Other replicas' clocks may be ahead.
    const since = Math.min(at, now)
    this.#remembered.set(key, { verdict, at: since, servedUntil: since + this.#options.lives.ms[verdict], askedAt: now })
  }

  forget(key: string): void {
    this.#remembered.delete(key)
  }

  /** Throws UpstreamFailure where nobody can be asked and nothing stands in. */
  async ask(key: string, question: () => Promise<Judgement>): Promise<Verdict> {
    const { clock, stop } = this.#options
    const running = this.#running.run(key, () => this.#settle(key, question))
    const standIn = this.#standIn(key)
    if (standIn === undefined) return running
    try {
      return await waitUntil(clock.now() + patienceMs, running, clock, stop)
    } catch (error) {
      if (!(error instanceof UpstreamFailure)) throw error
      return this.#serveOn(key, standIn)
    }
  }

  /** Asks while what is known is served on. Trouble changes nothing. */
  refresh(key: string, question: () => Promise<Judgement>): void {
    const known = this.#remembered.peek(key)
    if (known !== undefined) this.#remembered.set(key, { ...known, askedAt: this.#options.clock.now() })
    this.#running.run(key, () => this.#settle(key, question)).catch(() => undefined)
  }

  async #settle(key: string, question: () => Promise<Judgement>): Promise<Verdict> {
    try {
      const judgement = await question()
      this.remember(key, judgement)
      return judgement.verdict
    } catch (error) {
      const standIn = error instanceof UpstreamFailure ? this.#standIn(key) : undefined
      if (standIn === undefined) throw error
      return this.#serveOn(key, standIn)
    }
  }

  /** A refusal stands in for ever: what was closed when it could be asked last stays closed. */
  #standIn(key: string): Remembered | undefined {
    const known = this.#remembered.peek(key)
    if (known === undefined || known.verdict !== 'granted') return known
    const { lives, clock } = this.#options
    return clock.now() - known.at < lives.ms.granted + lives.graceMs ? known : undefined
  }

  #serveOn(key: string, standIn: Remembered): Verdict {
    const known = this.#remembered.peek(key)
    // An answer may have come since.
    if (known !== undefined && known.at !== standIn.at) return known.verdict
    const now = this.#options.clock.now()
    this.#remembered.set(key, { ...standIn, servedUntil: Math.max(standIn.servedUntil, now + standInMs), askedAt: now })
    return standIn.verdict
  }
}

/** Of what another program has kept. */
export function isJudgement(value: unknown): value is Judgement {
  if (typeof value !== 'object' || value === null || !('verdict' in value) || !('at' in value)) return false
  return (value.verdict === 'granted' || value.verdict === 'denied') && typeof value.at === 'number'
}
