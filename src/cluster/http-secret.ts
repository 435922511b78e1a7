// The secret that addresses of uploads are signed with. Configured, or agreed on through Redis, so that an upload begun on one
// replica goes on on another; else a random one of this process.
import { randomBytes } from 'node:crypto'
import type { Clock } from '../lib/clock.ts'
import type { Log } from '../telemetry/log.ts'

export interface HttpSecret {
  /** What to sign with. */
  readonly current: string
  /** Whether to believe a signature: the current one, and those of before that may still be in clients' hands. */
  readonly all: readonly string[]
}

export interface SharedSecretParts {
  readonly redis: {
    ask(command: string, ...args: readonly (string | number)[]): Promise<unknown>
    onReturn(listener: () => void): Disposable
  }
  readonly clock: Clock
  readonly log: Log
}

const key = 'entrepot:http-secret'
/** How soon a Redis that was emptied knows the secret again. */
const lookEveryMs = 5_000
const mostSecrets = 8

export function fixedSecret(secret: string): HttpSecret {
  return { current: secret, all: [secret] }
}

export function randomSecret(): string {
  return randomBytes(32).toString('hex')
}

/** One secret for all replicas, made by whoever comes first. While Redis is away this replica signs with what it has. */
export class SharedSecret implements HttpSecret, AsyncDisposable {
  readonly #parts: SharedSecretParts
  readonly #stop = new AbortController()
  readonly #returned: Disposable
  #all: readonly string[] = [randomSecret()]
  #watching: Promise<void> | undefined

  private constructor(parts: SharedSecretParts) {
    this.#parts = parts
    this.#returned = parts.redis.onReturn(() => this.#agreeSoon())
  }

  static async open(parts: SharedSecretParts): Promise<SharedSecret> {
    const secret = new SharedSecret(parts)
    await secret.#agree().catch((error: unknown) => {
      parts.log.warn(
        { error },
        'http.secret is not set and Redis is away, so a random one is used until Redis is there: uploads cannot go on on another replica',
      )
    })
    secret.#watching = secret.#watch()
    return secret
  }

  get current(): string {
    return this.#all[0] ?? ''
  }

  get all(): readonly string[] {
    return this.#all
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error('the secret is not needed any more'))
    this.#returned[Symbol.dispose]()
    await this.#watching
  }

  async #watch(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      await this.#parts.clock.sleep(lookEveryMs, this.#stop.signal).catch(() => undefined)
      if (!this.#stop.signal.aborted) await this.#agree().catch(() => undefined)
    }
  }

  #agreeSoon(): void {
    this.#agree().catch((error: unknown) => this.#parts.log.debug({ error }, 'the secret could not be agreed on'))
  }

  /** Publishes ours where there is none, as after a flush; else takes what is there. Throws what `ask` throws. */
  async #agree(): Promise<void> {
    const { redis } = this.#parts
    await redis.ask('SET', key, this.current, 'NX')
    const agreed = await redis.ask('GET', key)
    if (typeof agreed !== 'string' || agreed === '' || agreed === this.current) return
    this.#all = [agreed, ...this.#all.filter((known) => known !== agreed)].slice(0, mostSecrets)
  }
}
