// Passwords compared in one thread beside the server's, started when the first one comes. What waits is bounded.
import { Worker } from 'node:worker_threads'
import type { Compared, Comparison } from './bcrypt-worker.ts'

const maxWaiting = 256

interface Waiting {
  resolve(isRight: boolean): void
  reject(error: Error): void
}

export class BcryptThread implements AsyncDisposable {
  readonly #waiting = new Map<number, Waiting>()
  #worker: Worker | undefined
  #lastId = 0

  /** Whether another comparison would wait behind too many. */
  get isFull(): boolean {
    return this.#waiting.size >= maxWaiting
  }

  /** Rejects when the thread dies; the next call starts another. */
  compare(password: string, hash: string): Promise<boolean> {
    const worker = (this.#worker ??= this.#start())
    const id = ++this.#lastId
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject })
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
      worker.postMessage({ id, password, hash } satisfies Comparison)
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#worker?.terminate()
  }

  #start(): Worker {
    // Compiled, the files end in .js; nobody rewrites the text of a URL.
    const ending = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
    const worker = new Worker(new URL(`./bcrypt-worker.${ending}`, import.meta.url))
    worker.unref()
    worker.on('message', ({ id, isRight }: Compared) => {
      this.#waiting.get(id)?.resolve(isRight)
      this.#waiting.delete(id)
    })
    let reason: unknown
    worker.on('error', (error) => (reason = error))
    worker.on('exit', () => {
      this.#worker = undefined
      const waiting = [...this.#waiting.values()]
      this.#waiting.clear()
      for (const { reject } of waiting) reject(new Error('the thread that compares passwords has ended', { cause: reason }))
    })
    return worker
  }
}
