// What is known for a while: a bounded map whose entries end by themselves. Losing one costs a question, never an answer.
import type { Clock } from '../lib/clock.ts'

const maxEntries = 10_000

export class ShortMemory<V> {
  readonly #clock: Clock
  readonly #entries = new Map<string, { readonly value: V; readonly until: number }>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  get(key: string): V | undefined {
    const entry = this.#entries.get(key)
    if (entry === undefined) return undefined
    if (this.#clock.now() < entry.until) return entry.value
    this.#entries.delete(key)
    return undefined
  }

  /** The entry may be used while less than `forMs` have passed. */
  set(key: string, value: V, forMs: number): void {
    this.#entries.delete(key)
    const oldest = this.#entries.size < maxEntries ? undefined : this.#entries.keys().next().value
    if (oldest !== undefined) this.#entries.delete(oldest)
    this.#entries.set(key, { value, until: this.#clock.now() + forMs })
  }

  delete(key: string): void {
    this.#entries.delete(key)
  }

  clear(): void {
    this.#entries.clear()
  }
}
