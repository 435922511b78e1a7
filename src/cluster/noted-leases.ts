// Leases whose waiting is told: how long it took until one was held, or somebody else was found to hold it.
import type { Lease, Leases } from './leases.ts'

export type TellWait = (key: string, seconds: number, isHeld: boolean) => void

export function notedLeases(leases: Leases, tell: TellWait): Leases {
  async function timed<Held extends Lease | undefined>(key: string, ask: () => Promise<Held>): Promise<Held> {
    const began = performance.now()
    let held: Held | undefined
    try {
      held = await ask()
      return held
    } finally {
      tell(key, (performance.now() - began) / 1000, held !== undefined)
    }
  }
  return {
    tryAcquire: (key) => timed(key, () => leases.tryAcquire(key)),
    acquire: (key, signal) => timed(key, () => leases.acquire(key, signal)),
    holderOf: (key) => leases.holderOf(key),
  }
}
