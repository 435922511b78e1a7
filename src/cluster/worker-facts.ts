// What the workers of one host share without a Redis: the primary answers the few commands of Redis that sharing facts takes.
import { LRUCache } from 'lru-cache'
import type { Link, Services } from './worker-link.ts'

/** Facts are small, and losing one costs a question. */
const mostFacts = 100_000

type Argument = string | number

/** A worker's side: in the place of a connection to Redis. */
export function factsOfPrimary(link: Link): { ask(command: string, ...args: readonly Argument[]): Promise<unknown> } {
  return { ask: (command, ...args) => link.ask('fact', command, ...args) }
}

/** The primary's side. */
export class FactHost {
  readonly #facts = new LRUCache<string, string>({ max: mostFacts })
  readonly #boards = new LRUCache<string, Map<string, string>>({ max: mostFacts })

  readonly #commands: Readonly<Record<string, (key: string, ...rest: readonly string[]) => unknown>> = {
    GET: (key) => this.#facts.get(key) ?? null,
    SET: (key, value = '', _px, ttlMs) => void this.#facts.set(key, value, ttlMs === undefined ? {} : { ttl: Number(ttlMs) }),
    HSET: (key, name = '', value = '') => void this.#boards.set(key, this.#boardOf(key).set(name, value)),
    HDEL: (key, name = '') => (this.#boardOf(key).delete(name) ? 1 : 0),
    HGETALL: (key) => [...this.#boardOf(key)].flat(),
    // A board lives as long as the primary, which no worker outlives.
    PEXPIRE: () => 1,
  }

  /** Throws for what is not one of the commands. */
  get services(): Services {
    return {
      fact: (name, key, ...rest) => {
        const command = this.#commands[String(name)]
        if (command === undefined) throw new Error(`the primary knows no command ${String(name)}`)
        return command(String(key), ...rest.map(String))
      },
    }
  }

  #boardOf(key: string): Map<string, string> {
    return this.#boards.get(key) ?? new Map<string, string>()
  }
}
