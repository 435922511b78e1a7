// Events in numbers, under distribution's names.
import type { Counter, Meters, Reading } from '../telemetry/meters.ts'

export interface NotificationCounters {
  /** endpoint, type: Events, Successes, Failures (an answer that is none), Errors. */
  readonly events: Counter
  /** endpoint, code. */
  readonly status: Counter
}

/** `pending`: how many events wait, by endpoint. */
export function createCounters(meters: Meters, pending: () => Iterable<Reading>): NotificationCounters {
  const name = 'registry_notifications'
  meters.gauge(`${name}_pending_total`, 'Events that wait for an endpoint.', ['endpoint'], pending, 'sum')
  return {
    events: meters.counter(`${name}_events_total`, 'Events for endpoints, by what became of them.', 'endpoint', 'type'),
    status: meters.counter(`${name}_status_total`, 'Answers of endpoints.', 'endpoint', 'code'),
  }
}
