// Who may read what of the mirrored: as upstream says itself, asked with the caller's own credentials, or with none. Public is what
// can be read without any. Verdicts are about a repository, never about a digest: a blob is as secret as the name it is asked under.
import { UpstreamFailure } from '../content.ts'
import type { Clock } from '../lib/clock.ts'
import type { RepositoryName } from '../oci/names.ts'
import { isJudgement, type Judgement, type Lives, type Verdict, Verdicts } from './access-verdicts.ts'
import { type Destination, destinationOf, type RoutingRules } from './routing.ts'

/** Somebody's credentials for the main upstream. */
export interface Caller {
  /** Tells callers apart without saying who they are. */
  readonly key: string
  readonly username: string
  readonly password: string
}

/** One registry's own word. Throws UpstreamFailure. */
export interface AccessQuestions {
  mayPull(
    repository: RepositoryName,
    credentials: { readonly username: string; readonly password: string } | undefined,
    signal: AbortSignal,
  ): Promise<Verdict>
  checkLogin(credentials: { readonly username: string; readonly password: string }, signal: AbortSignal): Promise<Verdict>
}

export interface PublicFacts {
  find(keys: readonly string[]): Promise<readonly unknown[]>
  put(key: string, judgement: Judgement, ttlMs: number): void
}

export interface AccessOptions {
  readonly rules: RoutingRules
  /** Of the registry of this host; of `undefined`, the main one. */
  readonly questionsTo: (host: string | undefined) => AccessQuestions
  /** Of the others nobody is asked; `undefined`: there are none. */
  readonly isAdmitted?: ((repository: RepositoryName) => boolean) | undefined
  /** proxy.authorizationttl. */
  readonly ttlMs: number
  /** How long what was public is taken to be public while upstream cannot be asked. */
  readonly publicGraceMs: number
  /** What other replicas, or a process before this one, have heard. */
  readonly shared?: PublicFacts | undefined
  readonly clock: Clock
}

/** Grants hold so many times the ttl while upstream cannot be asked. */
const graceTtls = 12
/** A repository that is made public, or opened for somebody, is so here soon. */
const longestDeniedMs = 60_000
/** Docker Hub locks a user and an address out after a few wrong passwords: the same one is not tried again soon. */
const wrongMs = 300_000

export class RepositoryAccess implements Disposable {
  readonly #options: AccessOptions
  readonly #stop = new AbortController()
  /** By repository. */
  readonly #public: Verdicts
  /** By caller and repository. */
  readonly #grants: Verdicts
  /** By caller. */
  readonly #logins: Verdicts

  constructor(options: AccessOptions) {
    const { ttlMs, publicGraceMs, clock } = options
    this.#options = options
    const ms = { granted: ttlMs, denied: Math.min(longestDeniedMs, ttlMs), wrong: wrongMs }
    const open = (lives: Lives) => new Verdicts({ lives, clock, stop: this.#stop.signal })
    this.#public = open({ ms, graceMs: publicGraceMs })
    this.#grants = open({ ms, graceMs: graceTtls * ttlMs })
    this.#logins = open({ ms, graceMs: graceTtls * ttlMs })
  }

  /** Whether it is known, without asking, that everybody may read it. */
  isPublicNow(repository: RepositoryName): boolean {
    if (this.#public.now(repository) !== 'granted') return false
    if (this.#public.isAgeing(repository)) this.#public.refresh(repository, () => this.#askPublic(repository))
    return true
  }

  /** Whether everybody may read it, by the last that was heard. */
  wasPublic(repository: RepositoryName): boolean {
    return this.#public.last(repository)?.verdict === 'granted'
  }

  /** Names that nobody is asked for are not public. Throws UpstreamFailure. */
  async isPublic(repository: RepositoryName): Promise<boolean> {
    const known = this.#public.now(repository)
    const verdict = known ?? (await this.#public.ask(repository, () => this.#learnPublic(repository)))
    return verdict === 'granted'
  }

  /** Whether it is known, without asking, that the caller may read it. */
  isGrantedNow(callerKey: string, repository: RepositoryName): boolean {
    return this.#grants.now(grantKey(callerKey, repository)) === 'granted' && !this.isWrongNow(callerKey)
  }

  /** Whether the caller's name and password were refused a short while ago. */
  isWrongNow(callerKey: string): boolean {
    return this.#logins.now(callerKey) === 'wrong'
  }

  /** Whether the caller may read what is not public. Who was never found to may, may not while nobody can be asked. */
  async check(caller: Caller, repository: RepositoryName): Promise<Verdict> {
    if (this.isWrongNow(caller.key)) return 'wrong'
    const destination = this.#destinationOf(repository)
    // The credentials are those of the main upstream; no other one may see them.
    if (destination === undefined || destination.host !== undefined) return 'denied'
    const key = grantKey(caller.key, repository)
    const known = this.#grants.now(key)
    if (known !== undefined) return known
    const { questionsTo, clock } = this.#options
    const question = async (): Promise<Judgement> => {
      const at = clock.now()
      const verdict = await questionsTo(undefined).mayPull(destination.repository, caller, this.#stop.signal)
      if (verdict === 'wrong') this.#logins.remember(caller.key, { verdict, at })
      return { verdict, at }
    }
    try {
      return await this.#grants.ask(key, question)
    } catch (error) {
      // A refusal sends clients on to the registry itself, where they get the same answer or a better one.
      if (error instanceof UpstreamFailure) return 'denied'
      throw error
    }
  }

  /** Whether name and password are right. Throws UpstreamFailure. */
  async checkLogin(caller: Caller): Promise<Verdict> {
    const known = this.#logins.now(caller.key)
    if (known !== undefined) return known
    const { questionsTo, clock } = this.#options
    return this.#logins.ask(caller.key, async () => {
      const at = clock.now()
      return { verdict: await questionsTo(undefined).checkLogin(caller, this.#stop.signal), at }
    })
  }

  [Symbol.dispose](): void {
    this.#stop.abort(new Error('the mirror is stopping'))
  }

  /** `undefined`: nobody is asked for such names. */
  #destinationOf(repository: RepositoryName): Destination | undefined {
    const { rules, isAdmitted } = this.#options
    return isAdmitted?.(repository) === false ? undefined : destinationOf(rules, repository)
  }

  /** What others have heard a short while ago, or upstream. */
  async #learnPublic(repository: RepositoryName): Promise<Judgement> {
    const [heard] = (await this.#options.shared?.find([factKey(repository)])) ?? []
    if (!isJudgement(heard)) return this.#askPublic(repository)
    const known = this.#public.last(repository)
    if (known === undefined || known.at < heard.at) this.#public.remember(repository, heard)
    const verdict = this.#public.now(repository)
    return verdict === undefined ? this.#askPublic(repository) : { verdict, at: Math.max(heard.at, known?.at ?? 0) }
  }

  async #askPublic(repository: RepositoryName): Promise<Judgement> {
    const { questionsTo, shared, clock, publicGraceMs, ttlMs } = this.#options
    const at = clock.now()
    const destination = this.#destinationOf(repository)
    if (destination === undefined) return { verdict: 'denied', at }
    const verdict = await questionsTo(destination.host).mayPull(destination.repository, undefined, this.#stop.signal)
    const judgement = { verdict, at }
    // Those who start while upstream is down still know what was public.
    shared?.put(factKey(repository), judgement, publicGraceMs + ttlMs)
    return judgement
  }
}

function grantKey(callerKey: string, repository: RepositoryName): string {
  return `${callerKey} ${repository}`
}

function factKey(repository: RepositoryName): string {
  return `access:${repository}`
}
