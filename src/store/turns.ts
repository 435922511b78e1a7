// One request at a time goes on with an upload. The newest one wins: a client that comes back after a broken connection must
// not wait for the old one, from which nothing will come any more. A request at another replica can't be stopped from here: it wins.
import type { Lease, Leases } from '../cluster/leases.ts'
import { waitFor } from '../lib/abort.ts'
import { RegistryError } from '../oci/errors.ts'
import type { Log } from '../telemetry/log.ts'

export interface Turn extends AsyncDisposable {
  /** Aborts when another request wants to go on, or has gone on. Ignored by who can't be interrupted: the other one waits then. */
  readonly signal: AbortSignal
  /** Asked before what cannot be taken back. Throws RegistryError RANGE_INVALID when another replica goes on with it by now. */
  check(): Promise<void>
}

export interface TurnParts {
  /** Of all who may write to the store; `undefined`: this process is alone. */
  readonly leases: Leases | undefined
  readonly log: Log
}

/** Two requests that follow each other may overlap by so much: the end of one, and the begin of the next elsewhere. */
const patienceMs = 1_000

export class Turns {
  readonly #parts: TurnParts
  readonly #running = new Map<string, { readonly stop: AbortController; readonly ended: Promise<void> }>()

  constructor(parts: TurnParts) {
    this.#parts = parts
  }

  /** By another request to this process. */
  isTaken(key: string): boolean {
    return this.#running.has(key)
  }

  /** Waits until the turn before has ended. Throws RegistryError RANGE_INVALID while another replica has it. */
  async take(key: string): Promise<Turn> {
    for (let before = this.#running.get(key); before !== undefined; before = this.#running.get(key)) {
      before.stop.abort(takenOver('another request goes on with this upload'))
      await before.ended
    }
    const stop = new AbortController()
    const { promise: ended, resolve } = Promise.withResolvers<void>()
    this.#running.set(key, { stop, ended })
    const end = () => {
      this.#running.delete(key)
      resolve()
    }
    try {
      return await this.#leased(key, stop, end)
    } catch (error) {
      end()
      throw error
    }
  }

  async #leased(key: string, stop: AbortController, end: () => void): Promise<Turn> {
    const lease = this.#parts.leases === undefined ? undefined : await this.#lease(this.#parts.leases, key)
    const lost = () => stop.abort(takenOver('this replica was out of reach for too long to go on with the upload'))
    lease?.signal.addEventListener('abort', lost, { once: true })
    return {
      signal: stop.signal,
      async check() {
        // Not held and not lost: Redis is away. Nobody else can have a lease then, either.
        if (lease?.signal.aborted === true) throw takenOver('another replica goes on with this upload')
      },
      async [Symbol.asyncDispose]() {
        lease?.signal.removeEventListener('abort', lost)
        // Before the answer goes out: the next request may come to another replica.
        await lease?.release()
        end()
      },
    }
  }

  /** `undefined`: nobody can be asked, so this replica goes on alone. */
  async #lease(leases: Leases, key: string): Promise<Lease | undefined> {
    const patience = AbortSignal.timeout(patienceMs)
    try {
      return await leases.acquire(`upload ${key}`, patience)
    } catch (error) {
      if (patience.aborted && error === patience.reason) throw takenOver('another replica receives this upload')
      this.#parts.log.debug({ key, error }, 'an upload goes on without a lease')
      return undefined
    }
  }
}

function takenOver(detail: string): RegistryError {
  return new RegistryError('RANGE_INVALID', 'invalid content range', { detail })
}

/** The body until it ends or `signal` aborts, also while nothing comes. */
export async function* untilAborted(body: AsyncIterable<Uint8Array>, signal: AbortSignal): AsyncGenerator<Uint8Array, void, void> {
  const chunks = body[Symbol.asyncIterator]()
  let isOver = false
  try {
    for (;;) {
      const next = await waitFor(chunks.next(), signal)
      if (next.done === true) {
        isOver = true
        return
      }
      yield next.value
    }
  } finally {
    // Not waited for: a body from which nothing comes would not answer this, either.
    if (!isOver) chunks.return?.().catch(() => undefined)
  }
}
