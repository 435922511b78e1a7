// What meters say, as plain data that goes from process to process, and how that of several processes becomes one. Pure.
import { Counter, Histogram, type Labels, type MeterFacts, type Meters, type Reader } from './meters.ts'

/** How a number of several processes becomes one: what each has of its own is added up; of what all see alike, the worst counts. */
export type Across = 'sum' | 'max' | 'min'

export interface Sample {
  /** Where it is not the meter's own: of a histogram's parts. */
  readonly metricName?: string
  readonly labels: Readonly<Record<string, string | number>>
  readonly value: number
}

export interface MeterSamples {
  readonly name: string
  readonly help: string
  readonly type: 'counter' | 'gauge' | 'histogram'
  readonly across: Across
  readonly values: readonly Sample[]
}

export function samplesOf(meters: Meters): MeterSamples[] {
  return Array.from(meters.all(), (meter) => {
    const { name, help } = meter.facts
    const type = meter instanceof Histogram ? 'histogram' : meter instanceof Counter ? 'counter' : meter.kind
    const across = meter instanceof Histogram || meter instanceof Counter ? 'sum' : meter.across
    return { name, help, type, across, values: [...valuesOf(meter)] }
  })
}

/** Of one process each. What only grows stays when its process is gone: see `lasting`. */
export function mergeSamples(processes: readonly (readonly MeterSamples[])[]): MeterSamples[] {
  const [first, ...rest] = processes
  if (rest.length === 0) return [...(first ?? [])]
  const merged = new Map<string, { readonly meter: MeterSamples; readonly values: Map<string, Sample> }>()
  for (const meter of processes.flat()) {
    let known = merged.get(meter.name)
    if (known === undefined) merged.set(meter.name, (known = { meter, values: new Map() }))
    for (const sample of meter.values) {
      const key = JSON.stringify([sample.metricName, sample.labels])
      const before = known.values.get(key)
      known.values.set(key, before === undefined ? sample : { ...sample, value: together(meter.across, before.value, sample.value) })
    }
  }
  return Array.from(merged.values(), ({ meter, values }) => ({ ...meter, values: [...values.values()] }))
}

/** What counts of a process that is gone: a sum that fell would be taken for one that began anew. */
export function lasting(samples: readonly MeterSamples[]): MeterSamples[] {
  return samples.filter(({ type, across }) => type !== 'gauge' && across === 'sum')
}

function together(across: Across, a: number, b: number): number {
  return across === 'sum' ? a + b : across === 'max' ? Math.max(a, b) : Math.min(a, b)
}

function* valuesOf(meter: Counter | Histogram | Reader): Generator<Sample> {
  const { facts } = meter
  if (meter instanceof Histogram) {
    yield* histogramSamples(meter)
  } else if (meter instanceof Counter) {
    for (const [labels, { value }] of meter.series()) yield { labels: labelled(facts, labels), value }
  } else {
    for (const [labels, value] of meter.read()) yield { labels: labelled(facts, labels), value }
  }
}

function* histogramSamples(histogram: Histogram): Generator<Sample> {
  const { facts, bounds } = histogram
  const { name } = facts
  for (const [values, { buckets, count, sum }] of histogram.series()) {
    const labels = labelled(facts, values)
    let upTo = 0
    for (const [at, le] of bounds.entries()) {
      upTo += buckets[at] ?? 0
      yield { metricName: `${name}_bucket`, labels: { le, ...labels }, value: upTo }
    }
    yield { metricName: `${name}_bucket`, labels: { le: '+Inf', ...labels }, value: count }
    yield { metricName: `${name}_sum`, labels, value: sum }
    yield { metricName: `${name}_count`, labels, value: count }
  }
}

function labelled({ labelNames }: MeterFacts, labels: Labels): Record<string, string> {
  return Object.fromEntries(labelNames.map((name, at) => [name, labels[at] ?? '']))
}
