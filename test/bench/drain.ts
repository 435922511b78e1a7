// The handle on clients that only take bytes away: see drain-process.ts.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { RawClient } from './raw-client.ts'

export interface DrainOrder {
  readonly port: number
  readonly path: string
  readonly clients: number
  /** Downloads of each client, one after the other. */
  readonly turns: number
  /** Bytes of one download. */
  readonly size: number
}

export type Finished = { readonly seconds: number } | { readonly failure: string }

/** Sent in place of seconds where the system's calls can't be reached. */
export const UnableToDrain = 'unable to drain'

const mostClients = 16

export interface Drains extends AsyncDisposable {
  /** Seconds that all clients together took. Throws when one did not get what it asked for. */
  secondsFor(order: DrainOrder): Promise<number>
}

export async function startDrains(): Promise<Drains> {
  // Each waiting call takes a thread.
  const env = { ...process.env, UV_THREADPOOL_SIZE: String(mostClients) }
  const child = fork(join(import.meta.dirname, 'drain-process.ts'), { env })
  await once(child, 'spawn')
  return {
    async secondsFor(order) {
      if (order.clients > mostClients) throw new Error(`at most ${mostClients} clients`)
      child.send(order)
      const [finished] = (await once(child, 'message')) as [Finished | typeof UnableToDrain]
      if (finished === UnableToDrain) return copyingSecondsFor(order)
      if ('failure' in finished) throw new Error(`${order.path}: ${finished.failure}`)
      return finished.seconds
    },
    async [Symbol.asyncDispose]() {
      const ended = once(child, 'exit')
      child.disconnect()
      await ended
    },
  }
}

/** Where koffi is missing: clients that copy, and so may be what is measured. */
async function copyingSecondsFor({ port, path, clients, turns, size }: DrainOrder): Promise<number> {
  const startedAt = performance.now()
  await Promise.all(
    Array.from({ length: clients }, async () => {
      using client = new RawClient(port)
      for (let turn = 0; turn < turns; turn += 1) {
        const { status, length } = await client.get(path)
        if (status !== 200 || length !== size) throw new Error(`${path} was answered ${status} with ${length} bytes`)
      }
    }),
  )
  return (performance.now() - startedAt) / 1000
}
