// Leases of all replicas that share a Redis: a key that ends by itself, renewed while its holder lives.
//
//   entrepot:lease:{key}         <token> <holder>      ends after the time to live
//   entrepot:lease:{key}:fence   the last fence of this key
//
// The braces put both on the same node of a Redis Cluster.
import { randomUUID } from 'node:crypto'
import type { Clock } from '../lib/clock.ts'
import type { Log } from '../telemetry/log.ts'
import type { Lease, Leases } from './leases.ts'

export interface RedisLeasesParts {
  readonly redis: { ask(command: string, ...args: readonly (string | number)[]): Promise<unknown> }
  /** How the other replicas know this one, for `holderOf`: its address. Asked for at each lease. */
  readonly holder: () => string
  /** How long a lease outlives its holder. */
  readonly ttlMs?: number
  readonly clock: Clock
  readonly log: Log
}

const usualTtlMs = 4_000
const renewalsPerTtl = 3
/** What this node's clock may run slow against that of Redis within one time to live. */
const safety = 0.9
const firstWaitMs = 10
/** Between two tries to give a lease up. */
const retryMs = 100
const longestWaitMs = 250
/** Long after any holder that was stopped could come back. */
const fenceLifeMs = 7 * 24 * 3_600_000

// The fence is the server's time, counted on where two come within a microsecond. A counter alone would begin anew after a flush, or
// fall back after a failover that lost its last writes: then a late holder would have the larger number.
const acquireScript = `
if not redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return false end
local time = redis.call('TIME')
local fence = time[1] * 1000000 + time[2]
local last = tonumber(redis.call('GET', KEYS[2]) or '0')
if fence <= last then fence = last + 1 end
redis.call('SET', KEYS[2], string.format('%.0f', fence), 'PX', ARGV[3])
return fence`
const renewScript = `if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end return redis.call('PEXPIRE', KEYS[1], ARGV[2])`
const releaseScript = `if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end return redis.call('DEL', KEYS[1])`

export class RedisLeases implements Leases, AsyncDisposable {
  readonly #parts: RedisLeasesParts
  readonly #ttlMs: number
  readonly #held = new Set<RedisLease>()

  constructor(parts: RedisLeasesParts) {
    this.#parts = parts
    this.#ttlMs = parts.ttlMs ?? usualTtlMs
  }

  /** Throws RedisAway. */
  async tryAcquire(key: string): Promise<Lease | undefined> {
    const { redis, holder, clock } = this.#parts
    const value = `${randomUUID()} ${holder()}`
    const askedAt = clock.now()
    const asked = redis.ask('EVAL', acquireScript, 2, keyOf(key), `${keyOf(key)}:fence`, value, this.#ttlMs, fenceLifeMs)
    const fence = await asked.catch((error: unknown) => {
      // It may have been carried out all the same; nobody would know.
      redis.ask('EVAL', releaseScript, 1, keyOf(key), value).catch(() => undefined)
      throw error
    })
    if (typeof fence !== 'number') return undefined
    const lease = new RedisLease(this.#parts, { key, value, fence, ttlMs: this.#ttlMs, until: askedAt + this.#ttlMs * safety }, () =>
      this.#held.delete(lease),
    )
    this.#held.add(lease)
    return lease
  }

  async acquire(key: string, signal: AbortSignal): Promise<Lease> {
    for (let wait = firstWaitMs; ; wait = Math.min(wait * 2, longestWaitMs)) {
      signal.throwIfAborted()
      const lease = await this.tryAcquire(key)
      if (lease !== undefined) return lease
      // Not in step with the others who wait.
      await this.#parts.clock.sleep(wait * (0.5 + Math.random()), signal)
    }
  }

  async holderOf(key: string): Promise<string | undefined> {
    const value = await this.#parts.redis.ask('GET', keyOf(key))
    return typeof value === 'string' ? value.slice(value.indexOf(' ') + 1) : undefined
  }

  /** Gives up what is still held, so that nobody waits for it to end. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#held].map((lease) => lease.release()))
  }
}

interface Term {
  readonly key: string
  readonly value: string
  readonly fence: number
  readonly ttlMs: number
  /** Milliseconds since 1970: until then it is ours, whatever becomes of Redis. */
  until: number
}

class RedisLease implements Lease {
  readonly #parts: RedisLeasesParts
  readonly #term: Term
  readonly #ended: () => void
  readonly #lost = new AbortController()
  /** Ends the renewal. */
  readonly #over = new AbortController()

  constructor(parts: RedisLeasesParts, term: Term, ended: () => void) {
    this.#parts = parts
    this.#term = term
    this.#ended = ended
    // Nothing in it rejects.
    this.#keep().catch(() => undefined)
  }

  get key(): string {
    return this.#term.key
  }

  get fence(): number {
    return this.#term.fence
  }

  get signal(): AbortSignal {
    return this.#lost.signal
  }

  async isHeld(): Promise<boolean> {
    if (this.#over.signal.aborted || this.#isOverdue()) return false
    try {
      return (await this.#parts.redis.ask('GET', keyOf(this.key))) === this.#term.value
    } catch {
      return false
    }
  }

  async release(): Promise<void> {
    if (this.#over.signal.aborted) return
    this.#end()
    if (await this.#giveUp()) return
    // Not waited for: it ends by itself, but who waits for it need not wait so long.
    this.#giveUpLater().catch(() => undefined)
  }

  async #giveUp(): Promise<boolean> {
    try {
      await this.#parts.redis.ask('EVAL', releaseScript, 1, keyOf(this.key), this.#term.value)
      return true
    } catch (error) {
      this.#parts.log.debug({ key: this.key, error }, 'a lease could not be given up')
      return false
    }
  }

  async #giveUpLater(): Promise<void> {
    do await this.#parts.clock.sleep(retryMs)
    while (!this.#isOverdue() && !(await this.#giveUp()))
  }

  async #keep(): Promise<void> {
    const { clock, log } = this.#parts
    for (;;) {
      const left = this.#term.until - clock.now()
      await clock.sleep(Math.max(0, Math.min(this.#term.ttlMs / renewalsPerTtl, left)), this.#over.signal).catch(() => undefined)
      if (this.#over.signal.aborted) return
      const isOurs = this.#isOverdue() ? false : await this.#renew()
      if (this.#over.signal.aborted) return
      if (isOurs !== false && !this.#isOverdue()) continue
      this.#end()
      log.warn({ key: this.key }, 'a lease was lost: this replica could not renew it in time')
      this.#lost.abort(new Error(`the lease of ${this.key} was lost`))
      return
    }
  }

  /** false: somebody else has it. `undefined`: Redis did not say. */
  async #renew(): Promise<boolean | undefined> {
    const { redis, clock } = this.#parts
    const askedAt = clock.now()
    try {
      const answer = await redis.ask('EVAL', renewScript, 1, keyOf(this.key), this.#term.value, this.#term.ttlMs)
      if (answer !== 1) return false
      this.#term.until = askedAt + this.#term.ttlMs * safety
      return true
    } catch {
      return undefined
    }
  }

  #isOverdue(): boolean {
    return this.#parts.clock.now() >= this.#term.until
  }

  #end(): void {
    this.#over.abort(isOver)
    this.#ended()
  }
}

/** Made once: an abort without a reason makes a new exception each time. */
const isOver = new Error('the lease is over')

function keyOf(key: string): string {
  return `entrepot:lease:{${key}}`
}
