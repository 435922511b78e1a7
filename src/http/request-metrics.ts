// What requests come to, in distribution's names and ours. Each request costs a few additions here and no allocation; the sums are
// made when somebody looks.
import type { IncomingMessage } from 'node:http'
import type { CacheVerdict } from '../content.ts'
import { type Histogram, type Meters, observe, type Reading, secondsBounds, type Spread } from '../telemetry/meters.ts'
import type { Exchange } from './exchange.ts'
import { type RouteName, routeOf } from './route-names.ts'

/** As distribution has them. */
const durationBounds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 60]
/** 1 KiB to 2 GiB by doubling, as distribution has them. */
const sizeBounds = Array.from({ length: 22 }, (_, at) => 1024 * 2 ** at)

interface MethodMeters {
  readonly duration: Spread
  /** Status → requests. */
  readonly statuses: Map<number, number>
}

interface RouteMeters {
  readonly methods: Map<string, MethodMeters>
  readonly requestSize: Spread
  readonly responseSize: Spread
}

type Kind = 'manifest' | 'blob'

interface VerdictMeters {
  requests: number
  bytes: number
  readonly firstByte: Spread
}

/** Methods that a client makes up are counted together. */
const knownMethods = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])

export class RequestMetrics {
  readonly #routes = new Map<RouteName, RouteMeters>()
  readonly #verdicts = new Map<Kind, Map<CacheVerdict, VerdictMeters>>([
    ['manifest', new Map()],
    ['blob', new Map()],
  ])
  readonly #duration: Histogram
  readonly #requestSize: Histogram
  readonly #responseSize: Histogram
  readonly #firstByte: Histogram

  /** `live`: what is being answered right now. `fetchedBytes`: what came from upstream, by kind. */
  constructor(meters: Meters, live: Iterable<Exchange>, fetchedBytes: (kind: Kind) => number) {
    const http = 'registry_http'
    meters.gauge(`${http}_in_flight_requests`, 'Requests that are being answered.', ['handler'], () => inFlight(live), 'sum')
    meters.counted(`${http}_requests_total`, 'Requests that were answered.', ['handler', 'method', 'code'], () => this.#requests())
    this.#duration = meters.histogram(
      `${http}_request_duration_seconds`,
      'From request to end of answer.',
      durationBounds,
      'handler',
      'method',
    )
    this.#requestSize = meters.histogram(`${http}_request_size_bytes`, 'Bodies of requests, as announced.', sizeBounds, 'handler')
    this.#responseSize = meters.histogram(`${http}_response_size_bytes`, 'Bodies of answers.', sizeBounds, 'handler')
    const byKind = ['kind', 'verdict']
    meters.counted('entrepot_pulls_total', 'Manifests and blobs that were answered (GET and HEAD), by cache verdict.', byKind, () =>
      this.#byVerdict(({ requests }) => requests),
    )
    meters.counted('entrepot_served_bytes_total', 'Bytes of manifests and blobs that clients got, by cache verdict.', byKind, () =>
      this.#byVerdict(({ bytes }) => bytes),
    )
    const help = 'From request to the first byte of a manifest or blob.'
    this.#firstByte = meters.histogram('entrepot_time_to_first_byte_seconds', help, secondsBounds, ...byKind)
    this.#likeDistribution(meters, fetchedBytes)
  }

  /** An observer of requests. */
  readonly add = (exchange: Exchange): void => {
    const { req, res, bodyBytes } = exchange
    const route = routeOf(exchange.path)
    const method = req.method as string
    const meters = this.#routes.get(route) ?? this.#newRoute(route)
    const ofMethod = meters.methods.get(method) ?? this.#newMethod(route, meters, method)
    const seconds = exchange.elapsedMs / 1000
    const status = res.statusCode
    ofMethod.statuses.set(status, (ofMethod.statuses.get(status) ?? 0) + 1)
    observe(ofMethod.duration, durationBounds, seconds)
    observe(meters.responseSize, sizeBounds, bodyBytes)
    observe(meters.requestSize, sizeBounds, bodySizeOf(req))
    const { provenance } = exchange
    if (provenance === undefined || !isRead(method)) return
    const ofVerdict = this.#verdictMeters(route === 'blob' ? 'blob' : 'manifest', provenance.verdict)
    ofVerdict.requests += 1
    ofVerdict.bytes += bodyBytes
    observe(ofVerdict.firstByte, secondsBounds, exchange.firstByteMs === undefined ? seconds : exchange.firstByteMs / 1000)
  }

  #newRoute(route: RouteName): RouteMeters {
    const made = { methods: new Map(), requestSize: this.#requestSize.of(route), responseSize: this.#responseSize.of(route) }
    this.#routes.set(route, made)
    return made
  }

  #newMethod(route: RouteName, { methods }: RouteMeters, method: string): MethodMeters {
    const name = knownMethods.has(method) ? method : 'unknown'
    const known = methods.get(name)
    if (known !== undefined) return known
    const made = { duration: this.#duration.of(route, name.toLowerCase()), statuses: new Map() }
    methods.set(name, made)
    return made
  }

  #verdictMeters(kind: Kind, verdict: CacheVerdict): VerdictMeters {
    const known = this.#verdicts.get(kind)?.get(verdict)
    if (known !== undefined) return known
    const made = { requests: 0, bytes: 0, firstByte: this.#firstByte.of(kind, verdict) }
    this.#verdicts.get(kind)?.set(verdict, made)
    return made
  }

  *#requests(): Generator<Reading> {
    for (const [route, { methods }] of this.#routes) {
      for (const [method, { statuses }] of methods) {
        for (const [status, count] of statuses) yield [[route, method.toLowerCase(), String(status)], count]
      }
    }
  }

  *#byVerdict(value: (meters: VerdictMeters) => number): Generator<Reading> {
    for (const [kind, verdicts] of this.#verdicts) {
      for (const [verdict, meters] of verdicts) yield [[kind, verdict], value(meters)]
    }
  }

  /** `registry_proxy_*` of distribution 3. What came from upstream is "pulled", what went to clients is "pushed". */
  #likeDistribution(meters: Meters, fetchedBytes: (kind: Kind) => number): void {
    const sum = (kind: Kind, wanted: ReadonlySet<CacheVerdict> | undefined, value: (meters: VerdictMeters) => number) =>
      [...(this.#verdicts.get(kind) ?? [])]
        .filter(([verdict]) => wanted?.has(verdict) !== false)
        .reduce((total, [, each]) => total + value(each), 0)
    const add = (name: string, help: string, value: (kind: Kind) => number) =>
      meters.counted(`registry_proxy_${name}_total`, help, ['type'], () => kinds.map((kind) => [[kind], value(kind)]))
    const requests = (each: VerdictMeters) => each.requests
    add('requests', 'Manifests and blobs that were asked for and found.', (kind) => sum(kind, undefined, requests))
    add('hits', 'Of these, what was here.', (kind) => sum(kind, hits, requests))
    add('misses', 'Of these, what had to come from upstream.', (kind) => sum(kind, misses, requests))
    add('pulled_bytes', 'Bytes that came from upstream.', (kind) => fetchedBytes(kind))
    add('pushed_bytes', 'Bytes that went to clients.', (kind) => sum(kind, undefined, (each) => each.bytes))
  }
}

const kinds: readonly Kind[] = ['manifest', 'blob']
const hits: ReadonlySet<CacheVerdict> = new Set(['hit', 'stale', 'revalidated'])
const misses: ReadonlySet<CacheVerdict> = new Set(['miss', 'filling'])

function isRead(method: string): boolean {
  return method === 'GET' || method === 'HEAD'
}

function bodySizeOf({ method = '', headers }: IncomingMessage): number {
  return isRead(method) ? 0 : Number(headers['content-length'] ?? 0)
}

function inFlight(live: Iterable<Exchange>): Iterable<Reading> {
  const counts = new Map<RouteName, number>()
  for (const exchange of live) {
    const route = routeOf(exchange.path)
    counts.set(route, (counts.get(route) ?? 0) + 1)
  }
  return [...counts].map(([route, count]) => [[route], count])
}
