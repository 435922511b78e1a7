// How fast a fill comes forward, and what is read from upstream ahead of it: what readers go by who begin far ahead.
import type { Clock } from '../lib/clock.ts'
import { type AheadFacts, nextLookMs } from './ahead.ts'

export interface FillPaceParts {
  readonly clock: Clock
  /** Lets readers look again at whether they should go on waiting. */
  readonly wake: () => void
}

export class FillPace {
  readonly #clock: Clock
  readonly #wake: () => void
  readonly #since: number
  #cameAt: number
  #came = 0
  #isWatched = false
  #reads = 0
  #bytes = 0

  constructor({ clock, wake }: FillPaceParts) {
    this.#clock = clock
    this.#wake = wake
    this.#since = clock.now()
    this.#cameAt = this.#since
  }

  /** So many bytes more are there. */
  came(bytes: number): void {
    this.#came += bytes
    this.#cameAt = this.#clock.now()
  }

  facts(range: Pick<AheadFacts, 'distance' | 'length' | 'size'>): AheadFacts {
    const now = this.#clock.now()
    const bytesPerSecond = (this.#came * 1000) / Math.max(1, now - this.#since)
    return { ...range, bytesPerSecond, quietMs: now - this.#cameAt, reads: this.#reads, bytes: this.#bytes }
  }

  /** Who waits far ahead is woken also by a fill that brings nothing. */
  watch(): void {
    if (this.#isWatched) return
    this.#isWatched = true
    const { quietMs } = this.facts({ distance: 0, length: 0, size: 0 })
    const woken = this.#clock.sleep(nextLookMs(quietMs)).then(() => {
      this.#isWatched = false
      this.#wake()
    })
    woken.catch(() => undefined)
  }

  /** Books a transfer of so many bytes ahead of the fill. What it answers is told how many of them did not come, at its end. */
  goAhead(bytes: number): (left: number) => void {
    this.#reads += 1
    this.#bytes += bytes
    return (left) => {
      this.#reads -= 1
      this.#bytes -= left
    }
  }
}
