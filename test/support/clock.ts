// A clock that only the test moves. Whoever sleeps wakes when `advance` has come to his time, and a test can wait until somebody sleeps.
import { type Clock, systemClock } from '../../src/lib/clock.ts'

interface Sleeper {
  readonly wakesAt: number
  readonly ms: number
  readonly wake: () => void
}

export class TestClock implements Clock {
  #now: number
  readonly #sleepers = new Set<Sleeper>()
  readonly #watchers = new Set<() => void>()

  /** `startsAt` is milliseconds since 1970; this moment unless told, because files have the system's times. */
  constructor(startsAt: number = Date.now()) {
    this.#now = startsAt
  }

  now(): number {
    return this.#now
  }

  /** Nobody sleeps for nothing: a span of 0 is over at once. */
  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted === true) return Promise.reject(signal.reason)
    if (ms <= 0) return Promise.resolve()
    return new Promise((resolve, reject) => {
      const leave = () => {
        this.#sleepers.delete(sleeper)
        signal?.removeEventListener('abort', onAbort)
      }
      const onAbort = () => {
        leave()
        reject(signal?.reason)
      }
      const sleeper: Sleeper = {
        wakesAt: this.#now + ms,
        ms,
        wake: () => {
          leave()
          resolve()
        },
      }
      signal?.addEventListener('abort', onAbort, { once: true })
      this.#sleepers.add(sleeper)
      for (const look of this.#watchers) look()
    })
  }

  advance(ms: number): void {
    this.#now += ms
    for (const sleeper of [...this.#sleepers].toSorted((a, b) => a.wakesAt - b.wakesAt)) {
      if (sleeper.wakesAt <= this.#now) sleeper.wake()
    }
  }

  /** Resolves when somebody sleeps for exactly so long. */
  async sleeping(ms: number, { timeoutMs = 10_000 }: { timeoutMs?: number } = {}): Promise<void> {
    const isSleeping = () => [...this.#sleepers].some((sleeper) => sleeper.ms === ms)
    if (isSleeping()) return
    await new Promise<void>((resolve, reject) => {
      const end = (error?: Error) => {
        clearTimeout(timer)
        this.#watchers.delete(look)
        if (error === undefined) resolve()
        else reject(error)
      }
      const look = () => {
        if (isSleeping()) end()
      }
      const timer = setTimeout(() => {
        const others = [...this.#sleepers].map((sleeper) => sleeper.ms).join(', ')
        end(new Error(`waited ${timeoutMs} ms for a sleep of ${ms} ms; there are sleeps of ${others} ms`))
      }, timeoutMs)
      this.#watchers.add(look)
    })
  }

  /** Waits for each of these sleeps in turn, and lets it pass. */
  async pass(...spans: readonly number[]): Promise<void> {
    for (const ms of spans) {
      await this.sleeping(ms)
      this.advance(ms)
    }
  }
}

/** The system's clock, put forward by hand: for what takes real servers and long spans alike. Sleeps last as long as they say. */
export class JumpingClock implements Clock {
  #ahead = 0

  now(): number {
    return systemClock.now() + this.#ahead
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return systemClock.sleep(ms, signal)
  }

  jump(ms: number): void {
    this.#ahead += ms
  }
}
