// Counting: what all parts tell, and where it can be read. Part of compose.
import type { Config } from '../config/load.ts'
import { answerText, type DebugRoutes } from '../http/debug.ts'
import type { LiveRequests } from '../http/middleware/cancellation.ts'
import type { RequestObserver } from '../http/request-hooks.ts'
import { RequestMetrics } from '../http/request-metrics.ts'
import { createFacts, type Facts } from '../telemetry/facts.ts'
import { Meters } from '../telemetry/meters.ts'
import { createMetrics } from '../telemetry/metrics.ts'

export interface Counting {
  /** For gauges of any part: `meters.gauge(name, help, labels, read)`, where `read` answers from memory. */
  readonly meters: Meters
  readonly facts: Facts
  /** Of requests; none while nobody can look. */
  observers(requests: LiveRequests): readonly RequestObserver[]
}

/** With `http.debug.prometheus.enabled` the path for scrapes is added to the debug address. */
export function createCounting({ http }: Config, routes: DebugRoutes): Counting {
  const meters = new Meters()
  const facts = createFacts(meters)
  const { prometheus } = http.debug
  if (prometheus.enabled) {
    const metrics = createMetrics(meters)
    routes.on(prometheus.path, async (_req, res) => answerText(res, 200, await metrics.text(), { 'Content-Type': metrics.contentType }))
  }
  const isLookedAt = prometheus.enabled || http.dashboard.enabled || (http.debug.addr ?? '') !== ''
  return {
    meters,
    facts,
    observers: (requests) => (isLookedAt ? [new RequestMetrics(meters, requests, facts.fetchedBytes).add] : []),
  }
}
