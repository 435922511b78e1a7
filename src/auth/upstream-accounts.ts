// `proxy.authorization: upstream` behind a login of this server's own: who it is, is decided here (`auth`), and what he may read of the
// mirrored by the account upstream that he stands for. Who has none reads what is public.
import { createSecretKey, randomBytes } from 'node:crypto'
import type { Authenticator, Credentials, Decision, TokenEndpoint, Wanted } from './access.ts'
import type { UpstreamAccess, UpstreamCaller } from './upstream-access.ts'
import { hmacSha256 } from '../lib/hmac.ts'
import type { RepositoryName } from '../oci/names.ts'

export interface UpstreamAccountsOptions {
  /** Decides first. */
  readonly login: Authenticator
  readonly access: UpstreamAccess
  /** Repositories that are not mirrored: `login` alone decides. */
  readonly isOurs: (repository: RepositoryName) => boolean
  /** By the name that `login` knows somebody by. */
  readonly accounts: Readonly<Record<string, { readonly username: string; readonly password: string }>>
}

type Allowed = Extract<Decision, { kind: 'allowed' }>

export class UpstreamAccounts implements Authenticator {
  readonly tokenEndpoint: TokenEndpoint | undefined
  readonly #options: UpstreamAccountsOptions
  readonly #callers: ReadonlyMap<string, UpstreamCaller>

  constructor(options: UpstreamAccountsOptions) {
    this.#options = options
    this.tokenEndpoint = options.login.tokenEndpoint
    const secret = createSecretKey(randomBytes(32))
    const keyOf = (...parts: readonly string[]) => hmacSha256(secret, JSON.stringify(parts)).toString('base64')
    this.#callers = new Map(
      Object.entries(options.accounts).map(([name, { username, password }]) => [
        name,
        { key: keyOf(username, password), username, password },
      ]),
    )
  }

  authorize(credentials: Credentials, wanted: readonly Wanted[]): Decision | Promise<Decision> {
    const decision = this.#options.login.authorize(credentials, wanted)
    return decision instanceof Promise ? decision.then((waited) => this.#also(waited, wanted)) : this.#also(decision, wanted)
  }

  #also(decision: Decision, wanted: readonly Wanted[]): Decision | Promise<Decision> {
    if (decision.kind !== 'allowed') return decision
    const { access, isOurs } = this.#options
    const caller = this.#callers.get(decision.principal.name ?? '')
    const isKnown = wanted.every((want) => {
      if (want.kind !== 'repository' || isOurs(want.repository) || access.isPublicNow(want.repository)) return true
      return caller !== undefined && access.isGrantedNow(caller.key, want.repository)
    })
    return isKnown ? decision : this.#ask(decision, wanted, caller)
  }

  async #ask(decision: Allowed, wanted: readonly Wanted[], caller: UpstreamCaller | undefined): Promise<Decision> {
    const { access, isOurs } = this.#options
    for (const want of wanted) {
      if (want.kind !== 'repository' || isOurs(want.repository) || (await access.isPublic(want.repository))) continue
      const verdict = caller === undefined ? 'denied' : await access.check(caller, want.repository)
      if (verdict !== 'granted') return { kind: 'denied', principal: decision.principal }
    }
    return decision
  }
}
