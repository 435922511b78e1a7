// Counting, and nothing else: numbers that parts of the program add to at the cost of an addition. What reads them (metrics.ts, the
// dashboard) translates; nobody who counts knows of Prometheus.

/** One number of a counter. */
export interface Count {
  value: number
}

export interface Spread {
  /** How many values were at most as large as each bound, without those of the bound before; the last one: above all bounds. */
  readonly buckets: number[]
  count: number
  sum: number
}

export type Labels = readonly string[]

export interface MeterFacts {
  readonly name: string
  readonly help: string
  readonly labelNames: Labels
}

/** Labels → what is counted under them. Made on first use; more than `mostSeries` are counted together, for names that others choose. */
class Family<Value> {
  readonly facts: MeterFacts
  readonly #make: () => Value
  readonly #series = new Map<string, readonly [Labels, Value]>()

  constructor(facts: MeterFacts, make: () => Value) {
    this.facts = facts
    this.#make = make
  }

  of(...labels: Labels): Value {
    const key = labels.length === 1 ? (labels[0] ?? '') : labels.join('\0')
    const known = this.#series.get(key)
    if (known !== undefined) return known[1]
    if (this.#series.size >= mostSeries && labels.some((label) => label !== other)) return this.of(...labels.map(() => other))
    const value = this.#make()
    this.#series.set(key, [labels, value])
    return value
  }

  series(): Iterable<readonly [Labels, Value]> {
    return this.#series.values()
  }
}

const mostSeries = 1000
const other = 'other'

/** Only grows. */
export class Counter extends Family<Count> {
  constructor(facts: MeterFacts) {
    super(facts, () => ({ value: 0 }))
  }

  add(by: number, ...labels: Labels): void {
    this.of(...labels).value += by
  }
}

export class Histogram extends Family<Spread> {
  readonly bounds: readonly number[]

  /** `bounds`: ascending. */
  constructor(facts: MeterFacts, bounds: readonly number[]) {
    super(facts, () => ({ buckets: bounds.map(() => 0).concat(0), count: 0, sum: 0 }))
    this.bounds = bounds
  }

  observe(value: number, ...labels: Labels): void {
    observe(this.of(...labels), this.bounds, value)
  }
}

export function observe(spread: Spread, bounds: readonly number[], value: number): void {
  let at = 0
  while (at < bounds.length && value > (bounds[at] as number)) at += 1
  spread.buckets[at] = (spread.buckets[at] ?? 0) + 1
  spread.count += 1
  spread.sum += value
}

export type Reading = readonly [labels: Labels, value: number]

/** Read when somebody looks: `read` must answer from memory. */
export interface Reader {
  readonly facts: MeterFacts
  readonly kind: 'gauge' | 'counter'
  /** How those of several processes become one; see samples.ts. */
  readonly across: 'sum' | 'max' | 'min'
  readonly read: () => Iterable<Reading>
}

/** All meters of the program, in the order of their making. A name is made once. */
export class Meters {
  readonly #all = new Map<string, Counter | Histogram | Reader>()

  counter(name: string, help: string, ...labelNames: Labels): Counter {
    return this.#add(new Counter({ name, help, labelNames }))
  }

  histogram(name: string, help: string, bounds: readonly number[], ...labelNames: Labels): Histogram {
    return this.#add(new Histogram({ name, help, labelNames }, bounds))
  }

  /** What is as large as it is right now. `across`: of several processes the sum, or the largest, or the smallest. */
  gauge(name: string, help: string, labelNames: Labels, read: () => Iterable<Reading>, across: Reader['across'] = 'max'): void {
    this.#add({ facts: { name, help, labelNames }, kind: 'gauge', across, read })
  }

  /** What is counted elsewhere, and only grows. */
  counted(name: string, help: string, labelNames: Labels, read: () => Iterable<Reading>): void {
    this.#add({ facts: { name, help, labelNames }, kind: 'counter', across: 'sum', read })
  }

  /** What one of them says now; nothing when there is none of this name, or it is a histogram. */
  *readings(name: string): Generator<Reading> {
    const meter = this.#all.get(name)
    if (meter === undefined || meter instanceof Histogram) return
    if (meter instanceof Counter) for (const [labels, { value }] of meter.series()) yield [labels, value]
    else yield* meter.read()
  }

  all(): Iterable<Counter | Histogram | Reader> {
    return this.#all.values()
  }

  #add<Meter extends Counter | Histogram | Reader>(meter: Meter): Meter {
    const { name } = meter.facts
    if (this.#all.has(name)) throw new Error(`the meter ${name} is made twice`)
    this.#all.set(name, meter)
    return meter
  }
}

/** Seconds, from a hit in memory to a download over a slow line. */
export const secondsBounds: readonly number[] = [0.0005, 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300]
