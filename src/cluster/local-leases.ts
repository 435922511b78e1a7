// Leases of one process: there is nobody else. A holder cannot fall behind here, so no lease is ever lost.
import { waitFor } from '../lib/abort.ts'
import type { Lease, Leases } from './leases.ts'

const never = new AbortController().signal

interface Held {
  readonly lease: Lease
  readonly ended: Promise<void>
}

export class LocalLeases implements Leases {
  readonly #holder: string
  readonly #held = new Map<string, Held>()
  #fence = 0

  /** `holder`: how this node is known, for `holderOf`. */
  constructor(holder = 'here') {
    this.#holder = holder
  }

  async tryAcquire(key: string): Promise<Lease | undefined> {
    return this.#held.has(key) ? undefined : this.#take(key)
  }

  async acquire(key: string, signal: AbortSignal): Promise<Lease> {
    signal.throwIfAborted()
    for (let held = this.#held.get(key); held !== undefined; held = this.#held.get(key)) await waitFor(held.ended, signal)
    return this.#take(key)
  }

  async holderOf(key: string): Promise<string | undefined> {
    return this.#held.has(key) ? this.#holder : undefined
  }

  #take(key: string): Lease {
    this.#fence += 1
    const { promise: ended, resolve } = Promise.withResolvers<void>()
    const lease: Lease = {
      key,
      fence: this.#fence,
      signal: never,
      isHeld: async () => this.#held.get(key)?.lease === lease,
      release: async () => {
        if (this.#held.get(key)?.lease !== lease) return
        this.#held.delete(key)
        resolve()
      },
    }
    this.#held.set(key, { lease, ended })
    return lease
  }
}
