// The meters as Prometheus reads them, with those of the process itself. Nothing is computed before somebody asks, and then only from memory.
import { type Metric, Registry } from '@prometheus-io/client'
import { type MeterSamples, mergeSamples } from './samples.ts'

export const metricsContentType = new Registry().contentType

/** Of one process, or of several together. */
export async function metricsText(processes: readonly (readonly MeterSamples[])[]): Promise<string> {
  const registry = new Registry()
  // The library takes any object that can be asked for its samples.
  for (const meter of mergeSamples(processes))
    registry.registerMetric({ ...meter, aggregator: meter.across, get: () => Promise.resolve(meter) } as unknown as Metric)
  return registry.metrics()
}
