// Whose password it is, by a htpasswd file. Right and wrong ones are remembered for a short while, by a keyed hash and until the
// file changes, so that each pair of name and password is compared once and a hot answer waits for nothing.
import { createSecretKey, randomBytes } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import type { Clock } from '../lib/clock.ts'
import { hmacSha256 } from '../lib/hmac.ts'
import type { Credentials } from './access.ts'
import { parseBasic } from './basic.ts'
import type { BcryptThread } from './bcrypt-thread.ts'
import { Damping } from './damping.ts'
import type { PasswordFile } from './htpasswd-file.ts'

/** `hash`: changes with the password. */
export type PasswordVerdict =
  | { readonly kind: 'right'; readonly user: string; readonly hash: string }
  | { readonly kind: 'wrong' }
  | { readonly kind: 'damped'; readonly retryAfterSeconds: number }

const wrong: PasswordVerdict = { kind: 'wrong' }
const rememberedMs = 300_000
const maxRemembered = 10_000
/** Comparisons of one address that may wait at once: who sends many must not fill the queue of all. */
const maxWaitingPerAddress = 32
const fullRetrySeconds = 1

export interface PasswordsOptions {
  /** Another object when it has changed. */
  readonly file: { readonly content: PasswordFile }
  readonly thread: Pick<BcryptThread, 'compare' | 'isFull'>
  readonly clock: Clock
}

interface Remembered {
  readonly verdict: PasswordVerdict
  readonly until: number
}

export class Passwords {
  readonly #options: PasswordsOptions
  readonly #key = createSecretKey(randomBytes(32))
  readonly #remembered = new LRUCache<string, Remembered>({ max: maxRemembered })
  readonly #running = new Map<string, Promise<PasswordVerdict>>()
  readonly #waiting = new Map<string, number>()
  readonly #damping = new Damping()
  #seen: PasswordFile

  constructor(options: PasswordsOptions) {
    this.#options = options
    this.#seen = options.file.content
  }

  get hashes(): ReadonlyMap<string, string> {
    return this.#file().hashes
  }

  /** For credentials that have an Authorization header. Rejects when passwords can't be compared. */
  check(credentials: Credentials): PasswordVerdict | Promise<PasswordVerdict> {
    const file = this.#file()
    const now = this.#options.clock.now()
    const address = credentials.address
    // Before what is remembered: else that would tell a guesser at full speed when a guess is right.
    const retryAfterSeconds = this.#damping.retryAfterSeconds(address, now)
    if (retryAfterSeconds > 0) return { kind: 'damped', retryAfterSeconds }
    const authorization = credentials.authorization ?? ''
    const key = hmacSha256(this.#key, authorization).toString('base64')
    const remembered = this.#remembered.get(key)
    if (remembered !== undefined && remembered.until > now) return remembered.verdict
    const running = this.#running.get(key)
    if (running !== undefined) return running
    return this.#begin({ key, address, authorization, file })
  }

  #file(): PasswordFile {
    const file = this.#options.file.content
    if (file !== this.#seen) {
      this.#seen = file
      this.#remembered.clear()
      this.#running.clear()
    }
    return file
  }

  #begin({ key, address, authorization, file }: Attempt): PasswordVerdict | Promise<PasswordVerdict> {
    const basic = parseBasic(authorization)
    if (basic === undefined) return wrong
    const waiting = this.#waiting.get(address) ?? 0
    if (this.#options.thread.isFull || waiting >= maxWaitingPerAddress) return { kind: 'damped', retryAfterSeconds: fullRetrySeconds }
    this.#waiting.set(address, waiting + 1)
    const running: Promise<PasswordVerdict> = this.#compare(basic, file).then(
      (verdict) => this.#conclude({ key, address, file }, running, verdict),
      (error: unknown) => {
        this.#end(key, address, running)
        throw error
      },
    )
    this.#running.set(key, running)
    return running
  }

  /** Of unknown users, too: the same steps, which take the same time. */
  async #compare({ user, password }: { user: string; password: string }, file: PasswordFile): Promise<PasswordVerdict> {
    const hash = file.hashes.get(user)
    const isRight = await this.#options.thread.compare(password, hash ?? file.nobody)
    return isRight && hash !== undefined ? { kind: 'right', user, hash } : wrong
  }

  #conclude({ key, address, file }: Omit<Attempt, 'authorization'>, running: Promise<PasswordVerdict>, verdict: PasswordVerdict) {
    this.#end(key, address, running)
    const now = this.#options.clock.now()
    // Wrong ones are remembered as well: a client that repeats an old password guesses nothing, and costs and damps nobody.
    if (file === this.#seen) this.#remembered.set(key, { verdict, until: now + rememberedMs })
    if (verdict.kind === 'wrong') this.#damping.failed(address, now)
    return verdict
  }

  #end(key: string, address: string, running: Promise<PasswordVerdict>): void {
    if (this.#running.get(key) === running) this.#running.delete(key)
    const waiting = (this.#waiting.get(address) ?? 1) - 1
    if (waiting === 0) this.#waiting.delete(address)
    else this.#waiting.set(address, waiting)
  }
}

interface Attempt {
  readonly key: string
  readonly address: string
  readonly authorization: string
  readonly file: PasswordFile
}
