// Who is there: the replicas that share a Redis, for people who look at one of them and want to see the others.
//
//   entrepot:replicas   a hash: name and address → {"name", "dashboard", "until"}
import type { Clock } from '../lib/clock.ts'

export interface RosterEntry {
  readonly name: string
  /** Where its dashboard is; `null`: nobody elsewhere can reach it. */
  readonly dashboard: string | null
}

export interface RosterParts {
  /** `undefined`: this one is alone. */
  readonly redis: { ask(command: string, ...args: readonly (string | number)[]): Promise<unknown> } | undefined
  readonly clock: Clock
}

const key = 'entrepot:replicas'
const announceEveryMs = 20_000
/** After a crash. */
const lifeMs = 60_000
const believedMs = 5000
const mostShown = 100

export class Roster implements AsyncDisposable {
  readonly #parts: RosterParts
  readonly #stop = new AbortController()
  #self: RosterEntry | undefined
  #announcing: Promise<void> = Promise.resolve()
  #known: readonly (RosterEntry & { readonly until: number })[] = []
  #lookedAt = Number.NEGATIVE_INFINITY

  constructor(parts: RosterParts) {
    this.#parts = parts
  }

  /** From now on until it is disposed. */
  announce(self: RosterEntry): void {
    this.#self = self
    if (this.#parts.redis !== undefined) this.#announcing = this.#announceNowAndThen(self)
  }

  /** By name. A few seconds old; what was known last while Redis is away. Never rejects. */
  async others(): Promise<RosterEntry[]> {
    const { redis, clock } = this.#parts
    const now = clock.now()
    if (redis !== undefined && now - this.#lookedAt >= believedMs) {
      this.#lookedAt = now
      // What is not told now is told by the next look.
      await this.#look(redis, now).catch(() => undefined)
    }
    return this.#known.filter(({ until }) => until > now).map(({ name, dashboard }) => ({ name, dashboard }))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    await this.#announcing
    if (this.#self !== undefined) await this.#parts.redis?.ask('HDEL', key, fieldOf(this.#self)).catch(() => undefined)
  }

  async #look(redis: NonNullable<RosterParts['redis']>, now: number): Promise<void> {
    const reply = await redis.ask('HGETALL', key)
    if (!Array.isArray(reply)) return
    const own = this.#self === undefined ? undefined : fieldOf(this.#self)
    const found: (RosterEntry & { readonly until: number })[] = []
    for (let at = 0; at + 1 < reply.length; at += 2) {
      const [field, entry] = [String(reply[at]), entryIn(String(reply[at + 1]))]
      if (entry === undefined || entry.until <= now) await redis.ask('HDEL', key, field)
      else if (field !== own) found.push(entry)
    }
    this.#known = found.toSorted((a, b) => (fieldOf(a) < fieldOf(b) ? -1 : 1)).slice(0, mostShown)
  }

  async #announceNowAndThen(self: RosterEntry): Promise<void> {
    const { redis, clock } = this.#parts
    const { signal } = this.#stop
    while (!signal.aborted) {
      const entry = JSON.stringify({ ...self, until: clock.now() + lifeMs })
      await redis?.ask('HSET', key, fieldOf(self), entry).catch(() => undefined)
      await clock.sleep(announceEveryMs, signal).catch(() => undefined)
    }
  }
}

function fieldOf({ name, dashboard }: RosterEntry): string {
  return `${name} ${dashboard ?? ''}`
}

/** Addresses become links, so nothing but http is one. */
function entryIn(text: string): (RosterEntry & { readonly until: number }) | undefined {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value !== 'object' || value === null || !('name' in value) || !('until' in value)) return undefined
    const { name, until } = value
    const address = 'dashboard' in value && typeof value.dashboard === 'string' ? value.dashboard : null
    const dashboard = address !== null && /^https?:\/\//.test(address) ? address : null
    return typeof name === 'string' && typeof until === 'number' ? { name, dashboard, until } : undefined
  } catch {
    return undefined
  }
}
