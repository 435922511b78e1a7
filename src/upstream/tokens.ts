// Bearer tokens for the registry (distribution's token authentication): one request per scope and life of the token, however many
// requests need it, and none to a token server that has just refused.
import { UpstreamFailure } from '../content.ts'
import { waitFor } from '../lib/abort.ts'
import type { Clock } from '../lib/clock.ts'
import { SingleFlight } from '../lib/single-flight.ts'
import type { Log } from '../telemetry/log.ts'
import type { Answer } from './answers.ts'
import { basicHeader, type CredentialSource, type Credentials, identityOf } from './credentials.ts'
import { failureOfStatus, printableUrl } from './failures.ts'
import { mayReceiveCredentials } from './realm-trust.ts'
import { headersFor, isRedirect, leadsInside, maxRedirects, redirectTarget } from './redirects.ts'
import { ShortMemory } from './short-memory.ts'
import type { Transport } from './transport.ts'

const maxAnswerBytes = 1024 * 1024
/** distribution's token specification: a token without `expires_in` lives 60 s, and none lives less. */
const shortestLifeSeconds = 60
/** A token is given up this long before its end, or at the last tenth of its life. */
const marginMs = 30_000
/** A 429 that does not say how long to wait. */
const defaultPauseMs = 5_000
const longestPauseMs = 60_000
/** A registry that names ever new token servers does not fill the log or the memory. */
const maxSaid = 100

export interface TokenScope {
  readonly realm: string
  readonly service: string | undefined
  readonly scope: string
}

export interface Token {
  readonly value: string
  readonly fetchedAt: number
}

export interface TokensOptions {
  readonly registry: URL
  readonly transport: Transport
  /** `undefined`: none are configured. */
  readonly credentials: CredentialSource | undefined
  readonly trustedRealms: readonly string[]
  /** How long a refusal holds, so that a wrong password does not lock the account. */
  readonly refusalMs: number
  readonly clock: Clock
  readonly log: Log
}

export class Tokens {
  readonly #options: TokensOptions
  // All tokens come from one source of credentials, so that (realm, service, scope) is the whole key.
  readonly #tokens: ShortMemory<Token>
  readonly #refusals: ShortMemory<UpstreamFailure>
  readonly #running = new SingleFlight<string, Token>()
  readonly #said = new Set<string>()
  readonly #life = new AbortController()

  constructor(options: TokensOptions) {
    this.#options = options
    this.#tokens = new ShortMemory(options.clock)
    this.#refusals = new ShortMemory(options.clock)
  }

  /** Throws UpstreamFailure, also a remembered one; `signal` ends the caller's wait only. */
  find(wanted: TokenScope, signal: AbortSignal): Promise<Token> {
    const key = keyOf(wanted)
    const known = this.#tokens.get(key)
    if (known !== undefined) return Promise.resolve(known)
    if (signal.aborted) return Promise.reject(signal.reason)
    return waitFor(
      this.#running.run(key, () => this.#fetch(wanted, key)),
      signal,
    )
  }

  /** The registry refused this token. Another one that has taken its place meanwhile stays. */
  drop(wanted: TokenScope, refused: Token): void {
    const key = keyOf(wanted)
    if (this.#tokens.get(key) === refused) this.#tokens.delete(key)
  }

  close(): void {
    this.#life.abort(new UpstreamFailure('unreachable', 'the client of this registry is closed'))
  }

  async #fetch(wanted: TokenScope, key: string): Promise<Token> {
    const realm = URL.parse(wanted.realm)
    if (realm === null || (realm.protocol !== 'https:' && realm.protocol !== 'http:')) {
      throw new UpstreamFailure('broken', `${this.#options.registry.host} names a token server that is no http(s) URL`)
    }
    const { registry, trustedRealms } = this.#options
    if (leadsInside(realm, registry) && !mayReceiveCredentials(realm, registry, trustedRealms)) {
      throw new UpstreamFailure('broken', `${registry.host} names a token server on this machine or its link: ${realm.host}`)
    }
    const credentials = await this.#credentialsFor(realm)
    const identity = identityOf(credentials)
    const refusal =
      this.#refusals.get(`${identity} ${realm.href}`) ?? this.#refusals.get(`${identity} ${key}`) ?? this.#refusals.get(realm.href)
    if (refusal !== undefined) throw refusal
    const answer = await this.#ask(tokenUrl(realm, wanted, credentials), credentials)
    if (answer.status !== 200) throw this.#refuse(answer, realm, credentials, key)
    const { clock } = this.#options
    const { value, lifeMs } = parseTokenAnswer(await answer.read(maxAnswerBytes), answer)
    const token = { value, fetchedAt: clock.now() }
    this.#tokens.set(key, token, lifeMs - Math.min(marginMs, lifeMs / 10))
    this.#said.delete(`refused ${identity}`)
    return token
  }

  async #ask(first: URL, credentials: Credentials | undefined): Promise<Answer> {
    let url = first
    let headers: Readonly<Record<string, string>> = credentials === undefined ? {} : { authorization: basicHeader(credentials) }
    for (let hops = 0; ; hops += 1) {
      const answer = await this.#options.transport.ask({ method: 'GET', url, headers }, this.#life.signal)
      if (!isRedirect(answer.status)) return answer
      answer.discard()
      if (hops === maxRedirects) throw answer.broken('too many redirects')
      const target = redirectTarget(url, answer.header('location'))
      headers = headersFor(target, url, headers)
      url = target
    }
  }

  /** Remembers a refusal for as long as asking again would only do harm. */
  #refuse(answer: Answer, realm: URL, credentials: Credentials | undefined, key: string): UpstreamFailure {
    const { clock, refusalMs, log } = this.#options
    answer.discard()
    // 401 speaks of the credentials, so it holds for every scope; 403, and any refusal of an anonymous request, of this scope only.
    const isAboutCredentials = answer.status === 401 && credentials !== undefined
    const failure = isAboutCredentials
      ? new UpstreamFailure('login-refused', `${answer.doing}: answered 401 to our credentials`, { status: 401 })
      : failureOfStatus(answer.status, answer.header('retry-after'), answer.doing, clock.now())
    const identity = identityOf(credentials)
    if (failure.kind === 'rate-limited') {
      const pauseMs = failure.retryAfterSeconds === undefined ? defaultPauseMs : failure.retryAfterSeconds * 1000
      this.#refusals.set(realm.href, failure, Math.min(pauseMs, longestPauseMs))
    }
    if (failure.kind !== 'denied' && !isAboutCredentials) return failure
    this.#refusals.set(`${identity} ${isAboutCredentials ? realm.href : key}`, failure, refusalMs)
    if (isAboutCredentials) {
      this.#options.credentials?.forget()
      this.#once(`refused ${identity}`, () =>
        log.error({ realm: printableUrl(realm), username: credentials.username }, 'the token server refused the upstream credentials'),
      )
    }
    return failure
  }

  async #credentialsFor(realm: URL): Promise<Credentials | undefined> {
    const { credentials, registry, trustedRealms, log } = this.#options
    if (credentials === undefined) return undefined
    if (mayReceiveCredentials(realm, registry, trustedRealms)) return credentials.find(realm.host, this.#life.signal)
    this.#once(`withheld ${realm.origin}`, () =>
      log.warn(
        { realm: printableUrl(realm), upstream: registry.host },
        `the upstream's token server is on a foreign host, so the credentials are withheld and tokens are anonymous; to send them there, add ${realm.host} to proxy.trustedrealms`,
      ),
    )
    return undefined
  }

  #once(key: string, say: () => void): void {
    if (this.#said.has(key) || this.#said.size >= maxSaid) return
    this.#said.add(key)
    say()
  }
}

function keyOf(wanted: TokenScope): string {
  return JSON.stringify([wanted.realm, wanted.service, wanted.scope])
}

function tokenUrl(realm: URL, wanted: TokenScope, credentials: Credentials | undefined): URL {
  const url = new URL(realm)
  url.username = ''
  url.password = ''
  url.hash = ''
  if (wanted.service !== undefined) url.searchParams.set('service', wanted.service)
  if (wanted.scope !== '') url.searchParams.set('scope', wanted.scope)
  if (credentials !== undefined) url.searchParams.set('account', credentials.username)
  return url
}

/** `issued_at` is not read: it is the other machine's clock, and the life counts from when the token came. */
function parseTokenAnswer(bytes: Uint8Array, answer: Answer): { value: string; lifeMs: number } {
  let parsed: unknown
  try {
    parsed = JSON.parse(Buffer.from(bytes).toString('utf8'))
  } catch (error) {
    throw answer.broken('the token answer is not JSON', error instanceof SyntaxError ? undefined : error)
  }
  const { token, access_token: accessToken, expires_in: expiresIn } = Object(parsed) as Record<string, unknown>
  const value = [token, accessToken].find((candidate) => typeof candidate === 'string' && candidate !== '')
  if (typeof value !== 'string' || !/^[\x21-\x7e]+$/.test(value)) throw answer.broken('the token answer has no usable token')
  const life = Number(expiresIn ?? shortestLifeSeconds)
  return { value, lifeMs: 1000 * Math.max(shortestLifeSeconds, Number.isFinite(life) ? life : shortestLifeSeconds) }
}
