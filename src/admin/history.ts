// What happened over time, for the dashboard's curves: samples of counters in a ring, the last hours finely and the days before
// coarsely. Bounded; it costs a few additions every ten seconds.
import type { Clock } from '../lib/clock.ts'
import type { Sample, Traffic } from './api.ts'

const fineSeconds = 10
const mostFine = 720
/** So many fine samples become a coarse one. */
const coarseOf = 30
const mostCoarse = 2016

export class History implements AsyncDisposable {
  readonly #read: () => Promise<Traffic>
  readonly #clock: Clock
  readonly #stop = new AbortController()
  readonly #fine: Sample[] = []
  readonly #coarse: Sample[] = []
  #aged: Sample[] = []
  #before: Traffic | undefined
  #sampling: Promise<void> = Promise.resolve()
  /** Told of each new sample. */
  onSample: ((sample: Sample) => void) | undefined

  /** `read`: since the start. */
  constructor(read: () => Promise<Traffic>, clock: Clock) {
    this.#read = read
    this.#clock = clock
  }

  /** Samples are taken from now on. */
  start(): void {
    this.#sampling = this.#sampleNowAndThen()
  }

  /** The oldest first; the last one is of right now. */
  samples(): Sample[] {
    return [...this.#coarse, ...(this.#aged.length === 0 ? [] : [sumOf(this.#aged)]), ...this.#fine]
  }

  /** Takes a sample; the first call only looks from where to count. */
  async sample(): Promise<void> {
    const now = await this.#read()
    const before = this.#before
    this.#before = now
    if (before === undefined) return
    const taken = { at: new Date(this.#clock.now()).toISOString(), seconds: fineSeconds, ...differenceOf(now, before) }
    this.#fine.push(taken)
    if (this.#fine.length > mostFine) this.#age(this.#fine.shift())
    this.onSample?.(taken)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    await this.#sampling
  }

  #age(sample: Sample | undefined): void {
    if (sample !== undefined) this.#aged.push(sample)
    if (this.#aged.length < coarseOf) return
    this.#coarse.push(sumOf(this.#aged))
    this.#aged = []
    if (this.#coarse.length > mostCoarse) this.#coarse.shift()
  }

  async #sampleNowAndThen(): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) {
      // What cannot be read now is part of the next sample.
      await this.sample().catch(() => undefined)
      await this.#clock.sleep(fineSeconds * 1000, signal).catch(() => undefined)
    }
  }
}

const names = ['pulls', 'hits', 'stale', 'misses', 'servedBytes', 'fetchedBytes'] as const

function trafficOf(value: (name: keyof Traffic) => number): Traffic {
  return Object.fromEntries(names.map((name) => [name, value(name)])) as unknown as Traffic
}

function differenceOf(now: Traffic, before: Traffic): Traffic {
  // A process that died took its numbers with it.
  return trafficOf((name) => Math.max(0, now[name] - before[name]))
}

function sumOf(samples: readonly Sample[]): Sample {
  const sum = (value: (sample: Sample) => number) => samples.reduce((total, sample) => total + value(sample), 0)
  return { at: samples.at(-1)?.at ?? '', seconds: sum(({ seconds }) => seconds), ...trafficOf((name) => sum((sample) => sample[name])) }
}
