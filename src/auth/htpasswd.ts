// `auth.htpasswd`: Basic credentials, by a file of `htpasswd -B`, and what access rules allow whom.
import { anonymous, type Authenticator, type Credentials, type Decision, formatChallenge, type Principal, type Wanted } from './access.ts'
import type { Passwords, PasswordVerdict } from './passwords.ts'
import type { MayDo } from './rules.ts'

export interface HtpasswdOptions {
  readonly realm: string
  readonly passwords: Passwords
  /** Group names by user; read anew for each decision. */
  readonly groupsOf: (user: string) => readonly string[]
  readonly mayDo: MayDo
}

export class Htpasswd implements Authenticator {
  readonly #options: HtpasswdOptions
  readonly #challenge: Decision

  constructor(options: HtpasswdOptions) {
    this.#options = options
    this.#challenge = { kind: 'challenge', challenge: formatChallenge('Basic', { realm: options.realm }) }
  }

  authorize(credentials: Credentials, wanted: readonly Wanted[]): Decision | Promise<Decision> {
    const { authorization } = credentials
    const { passwords, mayDo } = this.#options
    if (authorization === undefined || authorization === '') {
      return mayDo(anonymous, wanted) ? { kind: 'allowed', principal: anonymous } : this.#challenge
    }
    const verdict = passwords.check(credentials)
    if (verdict instanceof Promise) return verdict.then((later) => this.#decide(later, wanted))
    return this.#decide(verdict, wanted)
  }

  #decide(verdict: PasswordVerdict, wanted: readonly Wanted[]): Decision {
    if (verdict.kind === 'wrong') return this.#challenge
    if (verdict.kind === 'damped') return verdict
    const principal: Principal = { name: verdict.user, groups: this.#options.groupsOf(verdict.user) }
    return { kind: this.#options.mayDo(principal, wanted) ? 'allowed' : 'denied', principal }
  }
}
