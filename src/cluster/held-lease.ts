// A lease for as long as a block of work runs, with one signal for all that ends it early.
import { linkedController } from '../lib/abort.ts'
import type { Lease, Leases } from './leases.ts'

export interface HeldLease extends AsyncDisposable {
  /** Aborts with `signal`, and when the lease is lost. */
  readonly signal: AbortSignal
}

/** `undefined`: another holder does this work now. Throws when nobody can be asked. Given up when it is disposed. */
export async function heldLease(leases: Leases, key: string, signal: AbortSignal): Promise<HeldLease | undefined> {
  const lease = await leases.tryAcquire(key)
  return lease === undefined ? undefined : holding(lease, signal)
}

/** As `heldLease`, but waits until the lease is free. Throws the reason of `signal`. */
export async function awaitedLease(leases: Leases, key: string, signal: AbortSignal): Promise<HeldLease> {
  return holding(await leases.acquire(key, signal), signal)
}

function holding(lease: Lease, signal: AbortSignal): HeldLease {
  const stopOrLost = linkedController(signal)
  const onLost = () => stopOrLost.abort(lease.signal.reason)
  lease.signal.addEventListener('abort', onLost, { once: true })
  return {
    signal: stopOrLost.signal,
    async [Symbol.asyncDispose]() {
      lease.signal.removeEventListener('abort', onLost)
      stopOrLost[Symbol.dispose]()
      await lease.release()
    },
  }
}
