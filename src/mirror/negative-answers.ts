// What upstream has just said it does not have, or does not give us, is not asked again for a few seconds. Trouble is never remembered.
import { LRUCache } from 'lru-cache'
import { type Standing, type TransferSource, UpstreamFailure } from '../content.ts'
import type { SharedFacts } from '../cluster/shared-facts.ts'
import type { Clock } from '../lib/clock.ts'
import type { RepositoryName } from '../oci/names.ts'
import { type ForwardedQuestion, ForwardingSource, type PutQuestion } from './forwarding-source.ts'

const mostAnswers = 50_000

interface Negative {
  readonly until: number
  /** `undefined`: there is none. */
  readonly refusal: UpstreamFailure | undefined
}

export interface NegativeAnswersOptions {
  readonly source: TransferSource
  /** 0: nothing is remembered. */
  readonly ttlMs: number
  /** What replicas tell each other; `undefined`: there are none. */
  readonly shared?: SharedFacts | undefined
  readonly clock: Clock
}

/** A refusal is of a whole repository (of a blob, it may be a CDN's: then of that blob); an absence, of one thing in it. Another answer clears both. */
export class NegativeAnswers extends ForwardingSource {
  readonly #options: NegativeAnswersOptions
  readonly #negatives = new LRUCache<string, Negative>({ max: mostAnswers })

  constructor(options: NegativeAnswersOptions) {
    super()
    this.#options = options
  }

  standing(repository: RepositoryName): Standing {
    return this.#options.source.standing(repository)
  }

  protected async forward<T>({ repository, subject, blob }: ForwardedQuestion, put: PutQuestion<T>): Promise<T | undefined> {
    const key = `${repository} ${subject}`
    const whole = blob === undefined ? `${repository} ` : key
    const keys = [`${repository} `, whole, key]
    const known = this.#recall(keys) ?? (await this.#hear(keys))
    if (known?.refusal !== undefined) throw known.refusal
    if (known !== undefined) return undefined
    try {
      const answer = await put(this.#options.source, repository)
      this.#negatives.delete(whole)
      if (answer === undefined) this.#remember(key, undefined)
      else this.#negatives.delete(key)
      return answer
    } catch (error) {
      if (error instanceof UpstreamFailure && error.kind === 'denied') this.#remember(whole, error)
      throw error
    }
  }

  #recall(keys: readonly string[]): Negative | undefined {
    const now = this.#options.clock.now()
    for (const key of keys) {
      const known = this.#negatives.get(key)
      if (known !== undefined && known.until > now) return known
    }
    return undefined
  }

  /** What another replica was told, asked where upstream would be asked otherwise. */
  async #hear(keys: readonly string[]): Promise<Negative | undefined> {
    const { shared, ttlMs, clock } = this.#options
    if (shared === undefined || ttlMs <= 0) return undefined
    const values = await shared.find(keys.map(sharedKeyOf))
    for (const [at, value] of values.entries()) {
      const heard = negativeIn(value, clock.now() + ttlMs)
      const key = keys[at]
      if (heard === undefined || key === undefined || heard.until <= clock.now()) continue
      this.#negatives.set(key, heard)
      return heard
    }
    return undefined
  }

  #remember(key: string, refusal: UpstreamFailure | undefined): void {
    const { ttlMs, clock, shared } = this.#options
    if (ttlMs <= 0) return
    const until = clock.now() + ttlMs
    this.#negatives.set(key, { until, refusal })
    const { message, status } = refusal ?? {}
    shared?.put(sharedKeyOf(key), { until, refusal: refusal === undefined ? null : { message, status } }, ttlMs)
  }
}

function sharedKeyOf(key: string): string {
  return `none ${key}`
}

/** It ends at `latest`, whatever another clock says. */
function negativeIn(value: unknown, latest: number): Negative | undefined {
  if (typeof value !== 'object' || value === null || !('until' in value) || typeof value.until !== 'number' || !('refusal' in value))
    return undefined
  const until = Math.min(value.until, latest)
  if (value.refusal === null) return { until, refusal: undefined }
  const { message, status } = value.refusal as Record<string, unknown>
  const statusKnown = typeof status === 'number' ? { status } : {}
  return { until, refusal: new UpstreamFailure('denied', `${String(message)} (as another replica was told)`, statusKnown) }
}
