// `auth.htpasswd`: Basic credentials, by a file of `htpasswd -B`, and what access rules allow whom. Where callers without a name may
// pull, challenges point to tokens of our own: clients without a password give up on a Basic challenge, but ask for a token without one.
import { accessesOf, anonymous, type Authenticator, type Credentials, type Decision, type Issued } from './access.ts'
import { formatChallenge, type Principal, scopeOf, type TokenEndpoint, type Wanted } from './access.ts'
import { type OwnTokens, principalOf } from './own-tokens.ts'
import type { Passwords, PasswordVerdict } from './passwords.ts'
import type { MayDo } from './rules.ts'

export interface HtpasswdOptions {
  readonly realm: string
  readonly passwords: Passwords
  /** Group names by user; read anew for each decision. */
  readonly groupsOf: (user: string) => readonly string[]
  readonly mayDo: MayDo
  /** `undefined`: Basic only. */
  readonly tokens: OwnTokens | undefined
}

const endpointPath = '/auth/token'

export class Htpasswd implements Authenticator {
  readonly tokenEndpoint: TokenEndpoint | undefined
  readonly #options: HtpasswdOptions
  readonly #basic: Extract<Decision, { kind: 'challenge' }>

  constructor(options: HtpasswdOptions) {
    this.#options = options
    this.#basic = { kind: 'challenge', challenge: formatChallenge('Basic', { realm: options.realm }) }
    const { tokens } = options
    if (tokens !== undefined) this.tokenEndpoint = { path: endpointPath, issue: (credentials) => this.#issue(credentials, tokens) }
  }

  authorize(credentials: Credentials, wanted: readonly Wanted[]): Decision | Promise<Decision> {
    const { authorization } = credentials
    const { passwords, mayDo, tokens } = this.#options
    if (authorization === undefined || authorization === '') {
      return mayDo(anonymous, wanted) ? { kind: 'allowed', principal: anonymous } : this.#challenge(credentials, wanted)
    }
    if (tokens !== undefined && /^bearer /i.test(authorization)) return this.#byToken(credentials, wanted, tokens)
    const verdict = passwords.check(credentials)
    if (verdict instanceof Promise) return verdict.then((later) => this.#byPassword(credentials, wanted, later))
    return this.#byPassword(credentials, wanted, verdict)
  }

  #byPassword(credentials: Credentials, wanted: readonly Wanted[], verdict: PasswordVerdict): Decision {
    if (verdict.kind === 'wrong') return this.#challenge(credentials, wanted)
    if (verdict.kind === 'damped') return verdict
    return this.#decide({ name: verdict.user, groups: this.#options.groupsOf(verdict.user) }, wanted)
  }

  #byToken(credentials: Credentials, wanted: readonly Wanted[], tokens: OwnTokens): Decision {
    const { passwords, groupsOf } = this.#options
    const token = (credentials.authorization ?? '').slice('Bearer '.length)
    const principal = principalOf(tokens, token, { hashes: passwords.hashes, groupsOf })
    if (principal === undefined) return this.#challenge(credentials, wanted, 'invalid_token')
    if (principal.name !== undefined) return this.#decide(principal, wanted)
    // A token for nobody is a good one where nothing else is wanted than to have one.
    const isEnough = this.#options.mayDo(
      principal,
      wanted.filter(({ kind }) => kind !== 'ping'),
    )
    return isEnough ? { kind: 'allowed', principal } : this.#challenge(credentials, wanted, 'insufficient_scope')
  }

  #decide(principal: Principal, wanted: readonly Wanted[]): Decision {
    return { kind: this.#options.mayDo(principal, wanted) ? 'allowed' : 'denied', principal }
  }

  #challenge(credentials: Credentials, wanted: readonly Wanted[], error = ''): Decision {
    // Browsers know no tokens.
    if (this.tokenEndpoint === undefined || wanted.some(({ kind }) => kind === 'operation')) return this.#basic
    const { base } = credentials
    const service = URL.canParse(base) ? new URL(base).host : ''
    const parameters = { realm: base + endpointPath, service, scope: scopeOf(accessesOf(wanted)), error }
    return { kind: 'challenge', challenge: formatChallenge('Bearer', parameters) }
  }

  #issue(credentials: Credentials, tokens: OwnTokens): Issued | Promise<Issued> {
    if (credentials.authorization === undefined || credentials.authorization === '') return tokens.issue(undefined)
    const conclude = (verdict: PasswordVerdict): Issued => {
      if (verdict.kind === 'damped') return verdict
      return verdict.kind === 'wrong' ? this.#basic : tokens.issue(verdict)
    }
    const verdict = this.#options.passwords.check(credentials)
    return verdict instanceof Promise ? verdict.then(conclude) : conclude(verdict)
  }
}
