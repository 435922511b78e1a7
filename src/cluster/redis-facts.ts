// Facts that replicas share through Redis.
//
//   entrepot:fact:<key>      JSON, ends by itself
//   entrepot:board:<board>   a hash: name → {"value", "until", "by"}; looked at a few times a second by those who watch it
import { randomUUID } from 'node:crypto'
import type { Clock } from '../lib/clock.ts'
import type { Log } from '../telemetry/log.ts'
import type { Lease, Leases } from './leases.ts'
import type { SharedFacts, SharedTurn } from './shared-facts.ts'

export interface RedisFactsParts {
  readonly redis: { ask(command: string, ...args: readonly (string | number)[]): Promise<unknown> }
  readonly leases: Leases
  readonly clock: Clock
  readonly log: Log
}

/** Polled, not subscribed: a second connection would have to be watched as well, and what is sent during an outage would be lost. */
const lookEveryMs = 250
const boardLifeMs = 24 * 3_600_000
const firstWaitMs = 10
const longestWaitMs = 100

interface Board {
  readonly watchers: Set<(name: string, value: unknown) => void>
  /** As they were seen last. */
  readonly seen: Map<string, string>
}

export class RedisFacts implements SharedFacts, AsyncDisposable {
  readonly #parts: RedisFactsParts
  /** Who we are: what we posted ourselves is no news. */
  readonly #id = randomUUID()
  readonly #boards = new Map<string, Board>()
  readonly #stop = new AbortController()
  readonly #watching: Promise<void>

  private constructor(parts: RedisFactsParts) {
    this.#parts = parts
    this.#watching = this.#watchBoards()
  }

  static open(parts: RedisFactsParts): RedisFacts {
    return new RedisFacts(parts)
  }

  async find(keys: readonly string[]): Promise<readonly unknown[]> {
    try {
      // One by one, so that a Redis Cluster finds each where it lies; all are on their way before the first answer.
      const texts = await Promise.all(keys.map((key) => this.#parts.redis.ask('GET', factKey(key))))
      return texts.map((text) => (typeof text === 'string' ? parsed(text) : undefined))
    } catch (error) {
      this.#missed(error)
      return keys.map(() => undefined)
    }
  }

  put(key: string, value: unknown, ttlMs: number): void {
    this.#send('SET', factKey(key), JSON.stringify(value), 'PX', Math.max(1, Math.ceil(ttlMs)))
  }

  post(board: string, name: string, value: unknown, ttlMs: number): void {
    const key = boardKey(board)
    this.#send('HSET', key, name, JSON.stringify({ value, until: this.#parts.clock.now() + ttlMs, by: this.#id }))
    this.#send('PEXPIRE', key, boardLifeMs)
  }

  watch(name: string, tell: (name: string, value: unknown) => void): Disposable {
    const board = this.#boards.get(name) ?? { watchers: new Set(), seen: new Map() }
    this.#boards.set(name, board)
    board.watchers.add(tell)
    // Who comes late is told what stands there already.
    board.seen.clear()
    return { [Symbol.dispose]: () => board.watchers.delete(tell) }
  }

  async inTurn<T>({ key, outcome, work, patienceMs }: SharedTurn<T>): Promise<T> {
    const { clock } = this.#parts
    const deadline = clock.now() + patienceMs
    for (let wait = firstWaitMs; ; wait = Math.min(wait * 2, longestWaitMs)) {
      const lease = await this.#tryAcquire(key)
      const done = lease === 'nobody can be asked' ? undefined : await outcome()
      if (typeof lease === 'object') return this.#workUnder(lease, done, work)
      if (done !== undefined) return done
      if (lease !== undefined || clock.now() >= deadline) return work()
      await clock.sleep(wait * (0.5 + Math.random()), this.#stop.signal).catch(() => undefined)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error('the sharing of facts is over'))
    await this.#watching
  }

  async #workUnder<T>(lease: Lease, done: T | undefined, work: () => Promise<T>): Promise<T> {
    try {
      return done === undefined ? await work() : done
    } finally {
      await lease.release()
    }
  }

  async #tryAcquire(key: string): Promise<Lease | 'nobody can be asked' | undefined> {
    if (this.#stop.signal.aborted) return 'nobody can be asked'
    try {
      return await this.#parts.leases.tryAcquire(key)
    } catch (error) {
      this.#missed(error)
      return 'nobody can be asked'
    }
  }

  async #watchBoards(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      for (const [name, board] of this.#boards) {
        if (board.watchers.size > 0) await this.#look(name, board).catch((error: unknown) => this.#missed(error))
      }
      await this.#parts.clock.sleep(lookEveryMs, this.#stop.signal).catch(() => undefined)
    }
  }

  async #look(boardName: string, { watchers, seen }: Board): Promise<void> {
    const reply = await this.#parts.redis.ask('HGETALL', boardKey(boardName))
    if (!Array.isArray(reply)) return
    for (let at = 0; at + 1 < reply.length; at += 2) {
      const [name, text] = [String(reply[at]), String(reply[at + 1])]
      if (seen.get(name) === text) continue
      seen.set(name, text)
      const posting = parsed(text)
      if (!isPosting(posting) || posting.by === this.#id) continue
      if (posting.until > this.#parts.clock.now()) for (const tell of watchers) tell(name, posting.value)
      else this.#send('HDEL', boardKey(boardName), name)
    }
  }

  #send(command: string, ...args: readonly (string | number)[]): void {
    this.#parts.redis.ask(command, ...args).catch((error: unknown) => this.#missed(error))
  }

  /** The connection tells of an outage once; this is for who looks closer. */
  #missed(error: unknown): void {
    const isAway = error instanceof Error && error.name === 'RedisAway'
    if (!isAway && !this.#stop.signal.aborted) this.#parts.log.debug({ error }, 'what replicas share could not be read or written')
  }
}

function isPosting(value: unknown): value is { readonly value: unknown; readonly until: number; readonly by: unknown } {
  return typeof value === 'object' && value !== null && 'until' in value && typeof value.until === 'number' && 'value' in value
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function factKey(key: string): string {
  return `entrepot:fact:${key}`
}

function boardKey(board: string): string {
  return `entrepot:board:${board}`
}
