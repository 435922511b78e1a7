// Questions to one registry: its address, authorization, and redirects followed by hand. What comes back is an answer to the question,
// from the registry or from where it sent us; a 401 that is still there is final.
import { UpstreamFailure } from '../content.ts'
import type { Clock } from '../lib/clock.ts'
import { parseChallenges } from '../oci/challenge.ts'
import type { RepositoryName } from '../oci/names.ts'
import type { UpstreamFacts } from '../telemetry/facts.ts'
import type { Answer } from './answers.ts'
import type { Authorization, Grant } from './authorization.ts'
import { isConnectTrouble } from './failures.ts'
import type { QuotaState } from './quota.ts'
import { parseRateLimit } from './rate-limits.ts'
import { headersFor, isRedirect, maxRedirects, redirectTarget } from './redirects.ts'
import type { Ask, Transport } from './transport.ts'

export interface Question {
  readonly method: 'GET' | 'HEAD'
  readonly repository: RepositoryName
  /** Below the repository: `manifests/latest`. */
  readonly path: string
  readonly query?: Readonly<Record<string, string>>
  /** Names in lower case. */
  readonly headers?: Readonly<Record<string, string>>
  /** Whether a redirect is followed or is the answer. */
  readonly redirects?: 'follow' | 'answer'
}

export interface SessionOptions {
  /** May have a path, which comes before /v2. */
  readonly registry: URL
  readonly transport: Transport
  readonly authorization: Authorization
  readonly quota: QuotaState
  readonly clock: Clock
  /** Headers that each request to the registry itself gets besides. */
  readonly sign?: Sign | undefined
  readonly facts?: UpstreamFacts | undefined
}

export type Sign = (method: string, url: URL) => Readonly<Record<string, string>>

/** Where the API of a registry begins: `…/v2/`. */
export function apiBase({ origin, pathname }: URL): string {
  return `${origin}${pathname.replace(/\/+$/, '')}/v2/`
}

export class Session {
  readonly #options: SessionOptions
  readonly #base: string

  constructor(options: SessionOptions) {
    this.#options = options
    this.#base = apiBase(options.registry)
  }

  get clock(): Clock {
    return this.#options.clock
  }

  get facts(): UpstreamFacts | undefined {
    return this.#options.facts
  }

  /** Resolves with any status. Throws UpstreamFailure, or the signal's reason. */
  async ask(question: Question, signal: AbortSignal): Promise<Answer> {
    const first = await this.#askRegistry(question, signal)
    if (!isRedirect(first.answer.status) || question.redirects === 'answer') return first.answer
    try {
      const answer = await this.#follow(first, signal)
      // A signed address that is refused has expired, and one without its content may be a CDN that lags: the registry knows another.
      if (answer.status !== 401 && answer.status !== 403 && answer.status !== 404) return answer
      answer.discard()
    } catch (error) {
      if (!(error instanceof UpstreamFailure && isConnectTrouble(error))) throw error
    }
    const second = await this.#askRegistry(question, signal)
    return isRedirect(second.answer.status) ? this.#follow(second, signal) : second.answer
  }

  async #follow(start: Asked, signal: AbortSignal): Promise<Answer> {
    let { ask, answer } = start
    for (let hops = 0; isRedirect(answer.status); hops += 1) {
      answer.discard()
      if (hops === maxRedirects) throw answer.broken('too many redirects')
      const url = redirectTarget(ask.url, answer.header('location'))
      ask = { method: ask.method, url, headers: headersFor(url, ask.url, ask.headers) }
      answer = await this.#options.transport.ask(ask, signal)
    }
    return answer
  }

  /** Asks the registry itself, with what authorization it wants. */
  async #askRegistry(question: Question, signal: AbortSignal): Promise<Asked> {
    const { authorization, transport, quota, clock, sign } = this.#options
    const { repository } = question
    const scope = `repository:${repository}:pull`
    const url = new URL(`${this.#base}${repository}/${question.path}`)
    for (const [name, value] of Object.entries(question.query ?? {})) url.searchParams.set(name, value)
    const since = clock.now()
    let renewed = false
    let grant = await authorization.find(scope, signal)
    for (;;) {
      const ask: Ask = {
        method: question.method,
        url,
        headers: { ...question.headers, ...headerOf(grant), ...sign?.(question.method, url) },
      }
      const number = quota.asks()
      const answer = await transport.ask(ask, signal)
      this.#learn(answer, number)
      if (answer.status !== 401) return { ask, answer }
      const challenges = parseChallenges(answer.header('www-authenticate') ?? '')
      const better = await authorization.renew(scope, { challenges, grant, renewed, since }, signal)
      if (better === undefined) return { ask, answer }
      answer.discard()
      renewed = grant !== undefined
      grant = better
    }
  }

  #learn(answer: Answer, question: number): void {
    const { quota, clock } = this.#options
    const limit = parseRateLimit((name) => answer.header(name), clock.now())
    if (answer.status === 429) quota.limited(answer.failure(clock.now()), limit)
    else quota.saw(limit, question)
  }
}

interface Asked {
  readonly ask: Ask
  readonly answer: Answer
}

function headerOf(grant: Grant | undefined): Readonly<Record<string, string>> {
  return grant === undefined ? {} : { authorization: grant.header }
}
