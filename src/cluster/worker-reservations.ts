// Room that fills of several worker processes have reserved: the primary adds it up, and forgets what a dead worker had.
import type { Services } from './worker-link.ts'

/** The primary's side. A worker is any object that stands for it. */
export class ReservationHost {
  readonly #bytes = new Map<object, number>()

  /** `room.reserved`: tells what this worker has reserved in all, in bytes; answers what all others have. */
  servicesFor(worker: object): Services {
    return {
      'room.reserved': (bytes) => {
        this.#bytes.set(worker, Number(bytes))
        let others = 0
        for (const [each, reserved] of this.#bytes) if (each !== worker) others += reserved
        return others
      },
    }
  }

  forget(worker: object): void {
    this.#bytes.delete(worker)
  }
}
