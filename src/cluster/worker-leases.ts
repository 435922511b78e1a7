// Leases among the worker processes of one host: the primary keeps them, and gives up what a worker held when it dies.
import { setTimeout as sleep } from 'node:timers/promises'
import type { Lease, Leases } from './leases.ts'
import type { Link, Services } from './worker-link.ts'

/** Between two tries of a worker that waits. */
const tryMs = 50

/** A worker's side. */
export class WorkerLeases implements Leases {
  readonly #link: Link

  constructor(link: Link) {
    this.#link = link
  }

  async tryAcquire(key: string): Promise<Lease | undefined> {
    const fence = (await this.#link.ask('lease.take', key)) as number | null
    return fence === null ? undefined : new WorkerLease(this.#link, key, fence)
  }

  async acquire(key: string, signal: AbortSignal): Promise<Lease> {
    for (;;) {
      signal.throwIfAborted()
      const lease = await this.tryAcquire(key)
      if (lease !== undefined) return lease
      await sleep(tryMs, undefined, { signal }).catch(() => signal.throwIfAborted())
    }
  }

  async holderOf(key: string): Promise<string | undefined> {
    return ((await this.#link.ask('lease.holder', key)) as string | null) ?? undefined
  }
}

class WorkerLease implements Lease {
  readonly key: string
  readonly fence: number
  /** Never aborts: the primary takes nothing away from a worker that lives, and a worker does not outlive its primary. */
  readonly signal = new AbortController().signal
  readonly #link: Link
  #isReleased = false

  constructor(link: Link, key: string, fence: number) {
    this.#link = link
    this.key = key
    this.fence = fence
  }

  async isHeld(): Promise<boolean> {
    if (this.#isReleased) return false
    return (await this.#link.ask('lease.held', this.key, this.fence).catch(() => false)) as boolean
  }

  async release(): Promise<void> {
    if (this.#isReleased) return
    this.#isReleased = true
    await this.#link.ask('lease.release', this.key, this.fence).catch(() => undefined)
  }
}

interface Held {
  readonly worker: object
  readonly fence: number
}

/** The primary's side. A worker is any object that stands for it. */
export class LeaseHost {
  readonly #held = new Map<string, Held>()
  readonly #names = new WeakMap<object, string>()
  #lastFence = 0

  /** What one worker may ask. `lease.name` tells how the holder is known to the others. */
  servicesFor(worker: object): Services {
    return {
      'lease.name': (name) => void this.#names.set(worker, String(name)),
      'lease.take': (key) => this.#take(worker, String(key)),
      'lease.held': (key, fence) => this.#held.get(String(key))?.fence === fence,
      'lease.release': (key, fence) => this.#release(String(key), Number(fence)),
      'lease.holder': (key) => this.#holderOf(String(key)),
    }
  }

  /** Gives up all that a dead worker held. */
  forget(worker: object): void {
    for (const [key, held] of this.#held) if (held.worker === worker) this.#held.delete(key)
  }

  #take(worker: object, key: string): number | null {
    if (this.#held.has(key)) return null
    this.#lastFence += 1
    this.#held.set(key, { worker, fence: this.#lastFence })
    return this.#lastFence
  }

  #release(key: string, fence: number): void {
    if (this.#held.get(key)?.fence === fence) this.#held.delete(key)
  }

  #holderOf(key: string): string | null {
    const held = this.#held.get(key)
    return held === undefined ? null : (this.#names.get(held.worker) ?? null)
  }
}
