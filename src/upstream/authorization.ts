// Which Authorization header a request to the registry gets. The registry's challenge is learnt from its first 401; from then on requests
// bring their token along. A 401 in spite of it is worth one new token, not more.
import { UpstreamFailure } from '../content.ts'
import type { Challenge } from '../oci/challenge.ts'
import type { Clock } from '../lib/clock.ts'
import type { Log } from '../telemetry/log.ts'
import { basicHeader, type CredentialSource, identityOf } from './credentials.ts'
import { ShortMemory } from './short-memory.ts'
import type { Token, Tokens, TokenScope } from './tokens.ts'

export interface Grant {
  readonly header: string
  readonly basedOn:
    | { readonly scheme: 'bearer'; readonly wanted: TokenScope; readonly token: Token }
    | { readonly scheme: 'basic'; readonly identity: string }
}

export interface Refused {
  /** Of the 401. */
  readonly challenges: readonly Challenge[]
  /** What the request had brought. */
  readonly grant: Grant | undefined
  /** Whether that was already the second token of this request. */
  readonly renewed: boolean
  /** When the request began. */
  readonly since: number
}

export interface AuthorizationOptions {
  readonly registry: URL
  readonly tokens: Tokens
  readonly credentials: CredentialSource | undefined
  readonly refusalMs: number
  readonly clock: Clock
  readonly log: Log
}

type Learnt = { readonly scheme: 'bearer'; readonly realm: string; readonly service: string | undefined } | { readonly scheme: 'basic' }

/** Scopes of challenges are remembered for hours: they depend on the registry's software, not on its content. */
const scopeHoldsMs = 6 * 60 * 60_000

export class Authorization {
  readonly #options: AuthorizationOptions
  #learnt: Learnt | undefined
  /** Scopes that the registry asked for where others were expected. */
  readonly #scopes: ShortMemory<string>
  /** Scopes, and identities of Basic, that were refused although what they were asked with was new. */
  readonly #hopeless: ShortMemory<true>

  constructor(options: AuthorizationOptions) {
    this.#options = options
    this.#scopes = new ShortMemory(options.clock)
    this.#hopeless = new ShortMemory(options.clock)
  }

  /** For a request of this scope, before anything is known against it. `undefined`: go without. */
  async find(scope: string, signal: AbortSignal): Promise<Grant | undefined> {
    const learnt = this.#learnt
    if (learnt === undefined) return undefined
    if (learnt.scheme === 'basic') return this.#basic(signal)
    return this.#bearer({ realm: learnt.realm, service: learnt.service, scope: this.#scopes.get(scope) ?? scope }, signal)
  }

  /** After a 401. `undefined`: there is nothing better to try, so the 401 stands. Throws UpstreamFailure. */
  async renew(scope: string, refused: Refused, signal: AbortSignal): Promise<Grant | undefined> {
    const challenge = refused.challenges.find(isBearer) ?? refused.challenges.find(({ scheme }) => scheme === 'basic')
    if (challenge === undefined) return undefined
    if (challenge.scheme === 'basic') {
      this.#learnt = { scheme: 'basic' }
      return this.#renewBasic(refused, signal)
    }
    const { realm = '', service, scope: asked } = challenge.parameters
    this.#learnt = { scheme: 'bearer', realm, service }
    if (asked !== undefined && asked !== '' && asked !== scope) this.#scopes.set(scope, asked, scopeHoldsMs)
    const wanted: TokenScope = { realm, service, scope: this.#scopes.get(scope) ?? scope }
    if (!this.#isWorthRenewing(wanted, challenge, refused)) return undefined
    return this.#bearer(wanted, signal)
  }

  /**
   * Drops the token that was refused. False when another one would be refused as well, and always after the second: a registry that
   * changes its challenge each time must not keep a request going round.
   */
  #isWorthRenewing(wanted: TokenScope, challenge: Challenge, refused: Refused): boolean {
    const used = refused.grant?.basedOn
    if (used?.scheme !== 'bearer' || !isSameScope(used.wanted, wanted)) return !refused.renewed
    const key = JSON.stringify(wanted)
    if (this.#hopeless.get(key) === true) return false
    // Docker Hub gives a token with no rights for a repository that is missing or private: no other one will have more.
    const lacksRights = challenge.parameters['error'] === 'insufficient_scope' && used.token.fetchedAt >= refused.since
    if (refused.renewed || lacksRights) {
      this.#hopeless.set(key, true, this.#options.refusalMs)
      return false
    }
    this.#options.tokens.drop(wanted, used.token)
    return true
  }

  async #bearer(wanted: TokenScope, signal: AbortSignal): Promise<Grant> {
    const token = await this.#options.tokens.find(wanted, signal)
    return { header: `Bearer ${token.value}`, basedOn: { scheme: 'bearer', wanted, token } }
  }

  async #renewBasic(refused: Refused, signal: AbortSignal): Promise<Grant | undefined> {
    const { credentials, refusalMs, registry, log } = this.#options
    const used = refused.grant?.basedOn
    if (used?.scheme === 'basic') {
      if (this.#hopeless.get(used.identity) === undefined) {
        log.error({ upstream: registry.host }, 'the upstream refused the credentials')
      }
      this.#hopeless.set(used.identity, true, refusalMs)
      credentials?.forget()
    } else {
      const grant = refused.renewed ? undefined : await this.#basic(signal)
      if (grant !== undefined || credentials === undefined) return grant
    }
    throw new UpstreamFailure('login-refused', `${registry.host} refused our credentials`, { status: 401 })
  }

  /** `undefined` without credentials, and with those that were refused a moment ago. */
  async #basic(signal: AbortSignal): Promise<Grant | undefined> {
    const { credentials, registry } = this.#options
    const found = await credentials?.find(registry.host, signal)
    if (found === undefined) return undefined
    const identity = identityOf(found)
    if (this.#hopeless.get(identity) === true) return undefined
    return { header: basicHeader(found), basedOn: { scheme: 'basic', identity } }
  }
}

function isBearer(challenge: Challenge): boolean {
  return challenge.scheme === 'bearer' && (challenge.parameters['realm'] ?? '') !== ''
}

function isSameScope(a: TokenScope, b: TokenScope): boolean {
  return a.realm === b.realm && a.service === b.service && a.scope === b.scope
}
