// `proxy.authorization: upstream`: everybody reads what is public upstream, and what is not only who may read it there, by the
// credentials that he sends. dockerd and podman look for a challenge at `/v2/` alone, so it stands there, and points to tokens of this
// server: one for nobody in particular for whoever has no credentials. With it, or with nothing, public images can be pulled.
import { anonymous, type Authenticator, type Credentials, type Decision, type Issued, type TokenEndpoint, type Wanted } from './access.ts'
import { accessesOf, formatChallenge, scopeOf } from './access.ts'
import { parseBasic } from './basic.ts'
import { Damping } from './damping.ts'
import type { UpstreamAccess, UpstreamCaller } from './upstream-access.ts'
import type { UpstreamTokens } from './upstream-tokens.ts'
import type { Clock } from '../lib/clock.ts'
import type { RepositoryName } from '../oci/names.ts'

export interface UpstreamLoginOptions {
  readonly access: UpstreamAccess
  readonly tokens: UpstreamTokens
  /** Repositories that are not mirrored: open to everybody. */
  readonly isOurs: (repository: RepositoryName) => boolean
  /** proxy.authorizationinsecure: whether credentials may come without TLS. */
  readonly insecure: boolean
  readonly clock: Clock
}

const endpointPath = '/auth/token'
const open: Decision = { kind: 'allowed', principal: anonymous }
const basicChallenge: Extract<Decision, { kind: 'challenge' }> = {
  kind: 'challenge',
  challenge: formatChallenge('Basic', { realm: 'the credentials for the upstream registry' }),
}

/** What a request brought. `nothing`: no credentials, or over a connection on which none are looked at. */
type Sent =
  | { readonly kind: 'nothing' }
  | { readonly kind: 'token for nobody' }
  | { readonly kind: 'invalid' }
  | { readonly kind: 'caller'; readonly caller: UpstreamCaller; readonly isToken: boolean }

export class UpstreamLogin implements Authenticator {
  readonly tokenEndpoint: TokenEndpoint = { path: endpointPath, issue: (credentials) => this.#issue(credentials) }
  readonly #options: UpstreamLoginOptions
  readonly #damping = new Damping()

  constructor(options: UpstreamLoginOptions) {
    this.#options = options
  }

  authorize(credentials: Credentials, wanted: readonly Wanted[]): Decision | Promise<Decision> {
    if (wanted.every((want) => this.#isOpenNow(want))) return open
    return this.#grantedNow(credentials, wanted) ?? this.#decide(credentials, wanted)
  }

  /** The catalog names nothing that is not open. */
  #isOpenNow(want: Wanted): boolean {
    if (want.kind !== 'repository') return want.kind === 'catalog'
    return this.#options.isOurs(want.repository) || this.#options.access.isPublicNow(want.repository)
  }

  /** What needs no waiting: a token that was read before, and grants that hold. */
  #grantedNow(credentials: Credentials, wanted: readonly Wanted[]): Decision | undefined {
    const { access, tokens } = this.#options
    const token = this.#mayShow(credentials) ? tokenIn(credentials) : undefined
    const bearer = token === undefined ? 'unread' : tokens.bearerNow(token)
    if (bearer === 'unread') return undefined
    const isGranted = wanted.every((want) => {
      if (want.kind === 'ping' || this.#isOpenNow(want)) return true
      return bearer !== undefined && want.kind === 'repository' && access.isGrantedNow(bearer.key, want.repository)
    })
    return isGranted ? { kind: 'allowed', principal: { name: bearer?.user, groups: [] } } : undefined
  }

  async #decide(credentials: Credentials, wanted: readonly Wanted[]): Promise<Decision> {
    const sent = await this.#sentWith(credentials)
    const closed: RepositoryName[] = []
    for (const want of wanted) if (want.kind === 'repository' && !(await this.#isOpen(want.repository, sent))) closed.push(want.repository)
    if (closed.length === 0 && !wanted.some(({ kind }) => kind === 'ping')) return open
    if (sent.kind === 'caller') return this.#decideOn(sent, closed, { credentials, wanted })
    if (sent.kind === 'invalid') return this.#challenge(credentials, wanted, 'invalid_token')
    // A challenge would make clients send their credentials where everybody on the way can read them.
    if (sent.kind === 'nothing' && this.#mayShow(credentials)) return this.#challenge(credentials, wanted)
    return closed.length === 0 ? open : { kind: 'denied', principal: anonymous }
  }

  async #decideOn(
    { caller, isToken }: Extract<Sent, { kind: 'caller' }>,
    closed: readonly RepositoryName[],
    asked: { readonly credentials: Credentials; readonly wanted: readonly Wanted[] },
  ): Promise<Decision> {
    const { access } = this.#options
    const principal = { name: caller.username, groups: [] }
    const questions = closed.map((repository) => () => access.check(caller, repository))
    if (questions.length === 0 && !isToken) questions.push(() => access.checkLogin(caller))
    for (const question of questions) {
      // Who holds a token has shown his password for it, and guesses nothing.
      const verdict = isToken ? await question() : await this.#ask(caller, asked.credentials, question)
      if (typeof verdict === 'object') return verdict
      if (verdict === 'wrong') return this.#challenge(asked.credentials, asked.wanted, isToken ? 'invalid_token' : '')
      if (verdict === 'denied') return { kind: 'denied', principal }
    }
    return { kind: 'allowed', principal }
  }

  /** Who guesses passwords is slowed down: upstream would lock out the address of this mirror. */
  async #ask<Verdict extends string>(
    { key }: UpstreamCaller,
    { address }: Credentials,
    question: () => Promise<Verdict>,
  ): Promise<Verdict | 'wrong' | Extract<Decision, { kind: 'damped' }>> {
    const { access, clock } = this.#options
    const retryAfterSeconds = this.#damping.retryAfterSeconds(address, clock.now())
    if (retryAfterSeconds > 0) return { kind: 'damped', retryAfterSeconds }
    if (access.isWrongNow(key)) return 'wrong'
    const verdict = await question()
    if (verdict === 'wrong') this.#damping.failed(address, clock.now())
    return verdict
  }

  async #isOpen(repository: RepositoryName, sent: Sent): Promise<boolean> {
    const { isOurs, access } = this.#options
    if (isOurs(repository) || access.isPublicNow(repository)) return true
    // Whoever may read it anyway is no reason to ask whether all may.
    if (sent.kind === 'caller' && access.isGrantedNow(sent.caller.key, repository)) return false
    return access.isPublic(repository)
  }

  async #sentWith(credentials: Credentials): Promise<Sent> {
    const { authorization = '' } = credentials
    const { tokens } = this.#options
    if (authorization === '' || !this.#mayShow(credentials)) return { kind: 'nothing' }
    const token = tokenIn(credentials)
    if (token !== undefined) {
      const caller = await tokens.read(token)
      if (caller === 'invalid') return { kind: 'invalid' }
      return caller === undefined ? { kind: 'token for nobody' } : { kind: 'caller', caller, isToken: true }
    }
    const basic = parseBasic(authorization)
    // podman sends an empty name where it has none.
    if (basic?.user === '') return { kind: 'nothing' }
    return basic === undefined ? { kind: 'invalid' } : { kind: 'caller', caller: tokens.callerOf(basic), isToken: false }
  }

  #mayShow({ isSecure }: Credentials): boolean {
    return this.#options.insecure || isSecure
  }

  #challenge(credentials: Credentials, wanted: readonly Wanted[], error = ''): Extract<Decision, { kind: 'challenge' }> {
    const { base } = credentials
    const service = URL.canParse(base) ? new URL(base).host : ''
    const parameters = { realm: base + endpointPath, service, scope: scopeOf(accessesOf(wanted)), error }
    return { kind: 'challenge', challenge: formatChallenge('Bearer', parameters) }
  }

  async #issue(credentials: Credentials): Promise<Issued> {
    const { authorization = '' } = credentials
    const { tokens, access } = this.#options
    if (authorization === '') return tokens.issue(undefined)
    const basic = this.#mayShow(credentials) ? parseBasic(authorization) : undefined
    if (basic === undefined) return basicChallenge
    if (basic.user === '') return tokens.issue(undefined)
    const caller = tokens.callerOf(basic)
    const verdict = await this.#ask(caller, credentials, () => access.checkLogin(caller))
    if (typeof verdict === 'object') return verdict
    return verdict === 'granted' ? tokens.issue(caller) : basicChallenge
  }
}

function tokenIn({ authorization = '' }: Credentials): string | undefined {
  return /^bearer +([^ ]+) *$/i.exec(authorization)?.[1]
}
