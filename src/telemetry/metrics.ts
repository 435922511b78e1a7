// The meters as Prometheus reads them, with those of the process itself. Nothing is computed before somebody asks, and then only from memory.
import { type Metric, Registry } from '@prometheus-io/client'
import { Counter, Histogram, type Labels, type MeterFacts, type Meters, type Reader } from './meters.ts'
import { addProcessMeters } from './process-meters.ts'

export interface Metrics {
  readonly contentType: string
  text(): Promise<string>
}

/** The process' own meters are added. */
export function createMetrics(meters: Meters): Metrics {
  const registry = new Registry()
  addProcessMeters(meters)
  return {
    contentType: registry.contentType,
    async text() {
      // Parts may have made meters since the last time.
      for (const meter of meters.all()) registry.registerMetric(exposed(meter))
      return registry.metrics()
    },
  }
}

interface Sample {
  readonly metricName?: string
  readonly labels: Readonly<Record<string, string | number>>
  readonly value: number
}

const known = new WeakMap<object, Metric>()

/** The library takes any object that can be asked for its samples. */
function exposed(meter: Counter | Histogram | Reader): Metric {
  const before = known.get(meter)
  if (before !== undefined) return before
  const { name, help } = meter.facts
  const type = meter instanceof Histogram ? 'histogram' : meter instanceof Counter ? 'counter' : meter.kind
  const get = () => Promise.resolve({ name, help, type, aggregator: 'sum', values: [...samplesOf(meter)] })
  const metric = { name, help, type, aggregator: 'sum', get } as unknown as Metric
  known.set(meter, metric)
  return metric
}

function* samplesOf(meter: Counter | Histogram | Reader): Generator<Sample> {
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
