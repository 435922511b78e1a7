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

  get services(): Services {
    return { fact: (command, ...args) => this.#answer(String(command), args.map(String)) }
  }

  /** Throws for what is not one of the commands. */
  #answer(command: string, [key = '', ...rest]: readonly string[]): unknown {
    const [first = '', second = '', third = ''] = rest
    switch (command) {
      case 'GET':
        return this.#facts.get(key) ?? null
      case 'SET':
        this.#facts.set(key, first, second === 'PX' ? { ttl: Number(third) } : {})
        return 'OK'
      case 'HSET':
        this.#boards.set(key, (this.#boards.get(key) ?? new Map<string, string>()).set(first, second))
        return 1
      case 'HDEL':
        return this.#boards.get(key)?.delete(first) === true ? 1 : 0
      case 'HGETALL':
        return [...(this.#boards.get(key) ?? [])].flat()
      case 'PEXPIRE':
        // A board lives as long as the primary, which every worker does not outlive.
        return 1
      default:
        throw new Error(`the primary knows no command ${command}`)
    }
  }
}
