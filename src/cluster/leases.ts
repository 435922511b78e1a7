// Leases: who of several nodes does a piece of work. The one way in which nodes agree; what they share beside it may be lost.
// Every implementation passes test/contracts/leases.ts.

/** A piece of work that this node, and no other, may do for as long as `signal` is not aborted. */
export interface Lease {
  readonly key: string
  /**
   * Grows with each holder of this key. Whoever commits under a lease shows it, so that a holder that was
   * stopped for longer than its lease lived cannot commit after its successor began.
   */
  readonly fence: number
  /** Aborts when the lease is lost: not renewed in time, or taken away. Not by `release`. */
  readonly signal: AbortSignal
  /** Whether this lease is still the newest of its key, asked where leases are kept. Never throws: unknown is `false`. */
  isHeld(): Promise<boolean>
  /** Gives it up; a second call does nothing. Never throws: a lease that cannot be given up ends by itself. */
  release(): Promise<void>
}

export interface Leases {
  /** `undefined`: another holder has it. Throws when nobody can be asked. The lease is renewed until it is released. */
  tryAcquire(key: string): Promise<Lease | undefined>
  /** Waits until the lease is free. Throws the reason of `signal`. */
  acquire(key: string, signal: AbortSignal): Promise<Lease>
  /** Who holds it, as that node named itself; `undefined`: nobody. Where fills are streamed from. */
  holderOf(key: string): Promise<string | undefined>
}
