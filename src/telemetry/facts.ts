// What the folders that do the work tell of it: one place for the names under which it is counted. Counting costs an addition.
import { type Count, Counter, type Meters, type Reading, secondsBounds } from './meters.ts'

/** Why upstream was asked what a tag points at. `cold`: nothing is here; `expired`: somebody waits; `background`: nobody does. */
export type QuestionCause = 'cold' | 'expired' | 'background'
export type QuestionOutcome = 'unchanged' | 'moved' | 'new' | 'absent' | 'failed'
/** What became of a fill, or what happened to one. */
export type FillEvent = 'started' | 'joined' | 'resumed' | 'completed' | 'failed' | 'unkept'

/** Told by the mirror. */
export interface MirrorFacts {
  asked(cause: QuestionCause, outcome: QuestionOutcome): void
  /** An old answer stood in for a tag. */
  stoodIn(cause: string): void
  fill(event: FillEvent): void
  /** Questions to this upstream begin to fail, or work again. */
  outage(upstream: string, isDown: boolean): void
}

/** Told by the client of one registry elsewhere. */
export interface UpstreamFacts {
  /** One exchange with a host on its behalf got its headers: `outcome` is the status, or the kind of the failure. */
  exchanged(host: string, method: string, outcome: number | string, seconds: number): void
  /** To be added to: bytes of bodies that came. */
  readonly manifestBytes: Count
  readonly blobBytes: Count
}

/** Told by the store. */
export interface StoreFacts {
  /** One action of a storage driver, in distribution's words. */
  acted(driver: string, action: string, seconds: number): void
  descriptor(wasKnown: boolean): void
}

/** For parts that are used without counting. */
export const noMirrorFacts: MirrorFacts = { asked() {}, stoodIn() {}, fill() {}, outage() {} }

export interface Facts extends MirrorFacts, StoreFacts {
  /** Of all upstreams. */
  fetchedBytes(kind: 'manifest' | 'blob'): number
  upstream(name: string): UpstreamFacts
  /** Redis, by operation: distribution's `registry_storage_cache_redis_seconds`, for every use of it. */
  redis(operation: string, seconds: number): void
}

export function createFacts(meters: Meters): Facts {
  const asked = meters.counter('entrepot_revalidations_total', 'Questions to upstream for what a tag points at.', 'cause', 'outcome')
  const stale = meters.counter('entrepot_stale_total', 'Old answers that stood in for a tag, by what upstream did.', 'cause')
  const fills = meters.counter('entrepot_fills_total', 'Blobs on their way in, by what happened to them.', 'event')
  const outages = meters.counter('entrepot_outages_total', 'How often an upstream began to fail.', 'upstream')
  const down = new Counter({ name: '', help: '', labelNames: [] })
  meters.gauge('entrepot_upstream_down', '1 while questions to this upstream fail.', ['upstream'], () => valuesOf(down))
  for (const event of ['started', 'joined', 'resumed', 'completed', 'failed', 'unkept']) fills.of(event)
  const fillsInFlight = () =>
    ['completed', 'failed', 'unkept'].reduce((left, event) => left - fills.of(event).value, fills.of('started').value)
  meters.gauge('entrepot_fills_in_flight', 'Blobs on their way in right now.', [], () => [[[], fillsInFlight()]], 'sum')
  const acted = meters.histogram('registry_storage_action_seconds', 'Actions of the storage driver.', secondsBounds, 'driver', 'action')
  const lookups = meters.counter('registry_storage_cache_requests_total', 'Questions to the descriptor cache.').of()
  const hits = meters.counter('registry_storage_cache_hits_total', 'Of these, answered from it.').of()
  const redis = meters.histogram('registry_storage_cache_redis_seconds', 'Commands of Redis.', secondsBounds, 'operation')
  return {
    ...upstreamMeters(meters),
    asked: (cause, outcome) => asked.add(1, cause, outcome),
    stoodIn: (cause) => stale.add(1, cause),
    fill: (event) => fills.add(1, event),
    outage(upstream, isDown) {
      if (isDown) outages.add(1, upstream)
      down.of(upstream).value = isDown ? 1 : 0
    },
    acted: (driver, action, seconds) => acted.observe(seconds, driver, action),
    descriptor(wasKnown) {
      lookups.value += 1
      if (wasKnown) hits.value += 1
    },
    redis: (operation, seconds) => redis.observe(seconds, operation),
  }
}

function* valuesOf(counter: Counter): Generator<Reading> {
  for (const [labels, { value }] of counter.series()) yield [labels, value]
}

const requestLabels = ['upstream', 'host', 'method', 'code']

function upstreamMeters(meters: Meters): Pick<Facts, 'fetchedBytes' | 'upstream'> {
  const fetched = meters.counter(
    'entrepot_fetched_bytes_total',
    'Bytes of manifests and blobs that came from upstream.',
    'upstream',
    'kind',
  )
  const requests = meters.counter(
    'entrepot_upstream_requests_total',
    'Exchanges with registries, token servers and CDNs; a failure has its kind as code.',
    ...requestLabels,
  )
  const waited = meters.histogram('entrepot_upstream_seconds', 'Until their headers came.', secondsBounds, 'upstream', 'host')
  return {
    fetchedBytes: (kind) => [...fetched.series()].reduce((sum, [labels, { value }]) => (labels[1] === kind ? sum + value : sum), 0),
    upstream: (name) => ({
      exchanged(host, method, outcome, seconds) {
        requests.add(1, name, host, method, String(outcome))
        waited.observe(seconds, name, host)
      },
      manifestBytes: fetched.of(name, 'manifest'),
      blobBytes: fetched.of(name, 'blob'),
    }),
  }
}
