// The connection to the Redis that replicas share. Redis may be away: a command waits for a bounded time, and during an outage
// not at all. One line in the log when that begins, one when it is over; a look of its own now and then finds out.
import type { Clock } from '../lib/clock.ts'
import type { Log } from '../telemetry/log.ts'
import { createRedisClient, positive, type RedisClient, type RedisSettings } from './redis-client.ts'

export interface RedisHealth {
  readonly isUp: boolean
  /** Milliseconds since 1970: since when it is so. */
  readonly since: number
  /** Of the outage, or of the last one; without secrets. */
  readonly lastError: string | undefined
}

/** Redis cannot be asked now. Whoever meets it goes on alone. */
export class RedisAway extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'RedisAway'
  }
}

export interface RedisParts {
  /** The system's, as the server's own. */
  readonly clock: Clock
  readonly log: Log
  /** Hears what is wrong, in words for an operator; `undefined`: nothing any more. */
  readonly tell?: (trouble: string | undefined) => void
  /** Hears how long each command took, in seconds, also one that failed. */
  readonly took?: ((operation: string, seconds: number) => void) | undefined
}

/** How long a command may take, unless `redis.readtimeout` says it. */
const usualWaitMs = 100
/** How long the start waits for Redis. */
const startMs = 2_000
const firstProbePauseMs = 50
const longestProbePauseMs = 1_000
const probeMs = 1_000
/** Answers of a server that does not work for now; all others tell of a wrong command. */
const stateReplies =
  /^(?:LOADING|READONLY|MASTERDOWN|CLUSTERDOWN|NOAUTH|WRONGPASS|NOPERM|MISCONF|OOM|NOREPLICAS|TRYAGAIN|BUSY|UNKILLABLE)\b/

export class RedisConnection implements AsyncDisposable {
  readonly #client: RedisClient
  readonly #parts: RedisParts
  readonly #waitMs: number
  readonly #stop = new AbortController()
  readonly #returned = new Set<() => void>()
  #isUp = false
  #since: number
  #lastError: string | undefined
  #isProbing = false
  /** Made once per outage: many are thrown. */
  #away = new RedisAway('Redis is not connected yet')

  private constructor(settings: RedisSettings, parts: RedisParts) {
    this.#client = createRedisClient(settings)
    this.#parts = parts
    this.#waitMs = positive(settings.readtimeout) ?? usualWaitMs
    this.#since = parts.clock.now()
  }

  /** Waits a while for Redis; without it, it goes on and is found later. Throws Errors that name a configuration key. */
  static async open(settings: RedisSettings, parts: RedisParts): Promise<RedisConnection> {
    const connection = new RedisConnection(settings, parts)
    const client = connection.#client
    // Without a listener they would end the process.
    client.on('error', (error: Error) => connection.#failed(error))
    client.on('close', () => connection.#fell(new Error('the connection was closed')))
    client.on('ready', () => connection.#probe())
    const connecting = client.connect().catch((error: unknown) => connection.#failed(error))
    await Promise.race([connecting, connection.#sleep(startMs)])
    if (!(await connection.#isThere())) connection.#tellAway()
    connection.#probe()
    return connection
  }

  get health(): RedisHealth {
    return { isUp: this.#isUp, since: this.#since, lastError: this.#isUp && this.#lastError === undefined ? undefined : this.#lastError }
  }

  /** How long one command may take. */
  get waitMs(): number {
    return this.#waitMs
  }

  /** Runs `listener` each time that Redis is there again. */
  onReturn(listener: () => void): Disposable {
    this.#returned.add(listener)
    return { [Symbol.dispose]: () => this.#returned.delete(listener) }
  }

  /** One command. Throws RedisAway, and what Redis says to a wrong command. */
  async ask(command: string, ...args: readonly (string | number)[]): Promise<unknown> {
    if (!this.#isUp) throw this.#away
    const startedAt = performance.now()
    try {
      return await this.#within(this.#waitMs, this.#client.call(command, ...args))
    } catch (error) {
      if (isWrongCommand(error)) throw error
      this.#fell(error)
      throw new RedisAway(`asking Redis by ${command}`, { cause: error })
    } finally {
      this.#parts.took?.(command.toLowerCase(), (performance.now() - startedAt) / 1000)
    }
  }

  /** Ends the connection; commands under way fail. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isUp = false
    this.#away = new RedisAway('the connection to Redis was closed')
    this.#stop.abort(this.#away)
    this.#client.disconnect()
  }

  /** The reply, or an Error after so long. What has come meanwhile counts, also when this process was busy all the time. */
  async #within<T>(ms: number, reply: Promise<T>): Promise<T> {
    const patience = new AbortController()
    const timeout = (async () => {
      await this.#parts.clock.sleep(ms, patience.signal)
      await new Promise((resolve) => setImmediate(resolve))
      await new Promise((resolve) => setImmediate(resolve))
      throw new Error(`no answer within ${ms} ms`)
    })()
    reply.catch(() => undefined)
    timeout.catch(() => undefined)
    try {
      return await Promise.race([reply, timeout])
    } finally {
      patience.abort(isOver)
    }
  }

  #failed(error: unknown): void {
    this.#lastError = textOf(error)
  }

  #fell(error: unknown): void {
    if (this.#stop.signal.aborted) return
    if (this.#isUp) {
      this.#isUp = false
      this.#since = this.#parts.clock.now()
      this.#failed(error)
      this.#tellAway()
    }
    this.#probe()
  }

  #tellAway(): void {
    this.#away = new RedisAway('Redis is away')
    const { log, tell } = this.#parts
    tell?.(`away since ${new Date(this.#since).toISOString()}: ${this.#lastError ?? 'no connection yet'}`)
    log.warn({ reason: this.#lastError }, 'Redis is away: this replica goes on alone, from the store and with what it knows itself')
  }

  /** Looks until Redis is there. */
  #probe(): void {
    if (this.#isProbing || this.#isUp || this.#stop.signal.aborted) return
    this.#isProbing = true
    this.#lookUntilThere()
      .catch((error: unknown) => this.#failed(error))
      .finally(() => {
        this.#isProbing = false
      })
  }

  async #lookUntilThere(): Promise<void> {
    for (let pause = firstProbePauseMs; !(await this.#isThere()); pause = Math.min(pause * 2, longestProbePauseMs)) {
      if (this.#stop.signal.aborted) return
      await this.#sleep(pause)
    }
  }

  /** By a write: a full server, or a replica, answers PING. */
  async #isThere(): Promise<boolean> {
    if (this.#isUp) return true
    // A client that met trouble while it was being connected may have given up for good.
    if (this.#client.status === 'end' && !this.#stop.signal.aborted) this.#client.connect().catch((error: unknown) => this.#failed(error))
    if (this.#client.status !== 'ready') return false
    try {
      await this.#within(probeMs, this.#client.call('SET', 'entrepot:probe', '1', 'PX', 60_000))
    } catch (error) {
      this.#failed(error)
      // Nothing comes on a connection whose other end is gone without a word: another one may work.
      if (!isReply(error) && this.#client.status === 'ready' && !this.#stop.signal.aborted) this.#client.disconnect(true)
      return false
    }
    if (!this.#stop.signal.aborted) this.#cameBack()
    return true
  }

  #cameBack(): void {
    const { clock, log, tell } = this.#parts
    tell?.(undefined)
    const seconds = Math.round((clock.now() - this.#since) / 1000)
    if (this.#away.message === 'Redis is away') log.info({ seconds }, 'Redis is back')
    this.#isUp = true
    this.#since = clock.now()
    for (const listener of this.#returned) listener()
  }

  async #sleep(ms: number): Promise<void> {
    await this.#parts.clock.sleep(ms, this.#stop.signal).catch(() => undefined)
  }
}

/** Made once: an abort without a reason makes a new exception each time. */
const isOver = new Error('the wait is over')

function isReply(error: unknown): error is Error {
  return error instanceof Error && error.name === 'ReplyError'
}

function isWrongCommand(error: unknown): boolean {
  return isReply(error) && !stateReplies.test(error.message)
}

/** The message and those of its causes; the errors of ioredis hold commands and their arguments beside it, which are not told. */
function textOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const nested = 'lastNodeError' in error ? error.lastNodeError : error.cause
  const text = error.message === '' ? ('code' in error && String(error.code)) || error.name : error.message
  return nested instanceof Error ? `${text}: ${textOf(nested)}` : text
}
