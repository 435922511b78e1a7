// One request at a time goes on with an upload. The newest one wins: a client that comes back after a broken connection must
// not wait for the old one, from which nothing will come any more.
import { waitFor } from '../lib/abort.ts'
import { RegistryError } from '../oci/errors.ts'

export interface Turn extends Disposable {
  /** Aborts when another request wants to go on. Ignored by who can't be interrupted: the other one waits then. */
  readonly signal: AbortSignal
}

export class Turns {
  readonly #running = new Map<string, { readonly stop: AbortController; readonly ended: Promise<void> }>()

  /** Waits until the turn before has ended. */
  async take(key: string): Promise<Turn> {
    for (let before = this.#running.get(key); before !== undefined; before = this.#running.get(key)) {
      before.stop.abort(new RegistryError('RANGE_INVALID', 'invalid content range', { detail: 'another request goes on with this upload' }))
      await before.ended
    }
    const stop = new AbortController()
    const { promise: ended, resolve } = Promise.withResolvers<void>()
    this.#running.set(key, { stop, ended })
    return {
      signal: stop.signal,
      [Symbol.dispose]: () => {
        this.#running.delete(key)
        resolve()
      },
    }
  }
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
