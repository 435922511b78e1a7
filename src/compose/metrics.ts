// Counting: what all parts tell, and where it can be read. Part of compose.
import { resolve } from 'node:path'
import type { Link } from '../cluster/worker-link.ts'
import type { Config } from '../config/load.ts'
import { answerText, type DebugRoutes } from '../http/debug.ts'
import type { LiveRequests } from '../http/middleware/cancellation.ts'
import type { RequestObserver } from '../http/request-hooks.ts'
import { RequestMetrics } from '../http/request-metrics.ts'
import type { Clock } from '../lib/clock.ts'
import { type DiskSpace, diskSpaceNow } from '../lib/disk-space.ts'
import { createFacts, type Facts } from '../telemetry/facts.ts'
import type { Health } from '../telemetry/health.ts'
import { Meters, type Reading } from '../telemetry/meters.ts'
import { metricsContentType, metricsText } from '../telemetry/metrics.ts'
import { addProcessMeters } from '../telemetry/process-meters.ts'
import { type MeterSamples, samplesOf } from '../telemetry/samples.ts'
import type { RemoteContent } from '../upstream/remote-content.ts'
import { isLookedAt } from './looked-at.ts'

export interface Counting {
  /** For gauges of any part: `meters.gauge(name, help, labels, read)`, where `read` answers from memory. */
  readonly meters: Meters
  readonly facts: Facts
  /** Quota and circuits of an upstream from now on; the last one of a name and account counts. */
  watch(name: string, account: string, remote: RemoteContent): void
  /** Those that are watched. */
  upstreams(): Iterable<WatchedUpstream>
  /** Of requests; none while nobody can look. */
  observers(requests: LiveRequests): readonly RequestObserver[]
}

export interface CountingParts {
  readonly routes: DebugRoutes
  readonly health: Health
  readonly clock: Clock
  /** Of a worker process: it answers for all of them. */
  readonly primary: Link | undefined
}

/** With `http.debug.prometheus.enabled` the path for scrapes is added to the debug address. */
export function createCounting(config: Config, { routes, health, clock, primary }: CountingParts): Counting {
  const { http, storage } = config
  const meters = new Meters()
  const facts = createFacts(meters)
  watchHealth(meters, health)
  if (storage.filesystem !== undefined) watchDisk(meters, resolve(storage.filesystem.rootdirectory))
  const { prometheus } = http.debug
  if (prometheus.enabled) {
    addProcessMeters(meters)
    primary?.answer({ 'worker.samples': () => samplesOf(meters) })
    routes.on(prometheus.path, async (_req, res) => {
      const processes = primary === undefined ? [samplesOf(meters)] : ((await primary.ask('crew.samples')) as MeterSamples[][])
      answerText(res, 200, await metricsText(processes), { 'Content-Type': metricsContentType })
    })
  }
  const isWatched = prometheus.enabled || isLookedAt(config)
  return {
    meters,
    facts,
    ...watchUpstreams(meters, clock),
    observers: (requests) => (isWatched ? [new RequestMetrics(meters, requests, facts.fetchedBytes).add] : []),
  }
}

function watchHealth(meters: Meters, health: Health): void {
  const failing = () => {
    const failures = new Set(health.failures().map(([name]) => name))
    return health.checks().map((name): Reading => [[name], failures.has(name) ? 1 : 0])
  }
  meters.gauge('entrepot_check_failing', '1 while a check of `health` fails.', ['check'], failing)
  meters.gauge('entrepot_trouble', '1 for each part that is in trouble; /readyz says in which.', ['part'], () =>
    health.troubles().map(([name]): Reading => [[name], 1]),
  )
}

function watchDisk(meters: Meters, folder: string): void {
  const read = (value: (disk: DiskSpace) => number) => () => {
    const disk = diskSpaceNow(folder)
    return disk === undefined ? [] : [[[], value(disk)] as Reading]
  }
  const free = read(({ freeBytes }) => freeBytes)
  const total = read(({ totalBytes }) => totalBytes)
  meters.gauge('entrepot_disk_free_bytes', 'Bytes that the store could still grow by.', [], free)
  meters.gauge('entrepot_disk_bytes', 'Size of the disk that the store is on.', [], total)
}

export interface WatchedUpstream {
  readonly labels: readonly [upstream: string, account: string]
  readonly remote: RemoteContent
}

function watchUpstreams(meters: Meters, clock: Clock): Pick<Counting, 'watch' | 'upstreams'> {
  const upstreams = new Map<string, WatchedUpstream>()
  const each = (read: (remote: RemoteContent) => number | undefined) => () =>
    [...upstreams.values()].flatMap(({ labels, remote }): Reading[] => {
      const value = read(remote)
      return value === undefined ? [] : [[labels, value]]
    })
  const names = ['upstream', 'account']
  const left = 'Pulls that this upstream still grants the account in its window; absent when it never spoke of a limit.'
  meters.gauge(
    'entrepot_quota_remaining',
    left,
    names,
    each((remote) => remote.rateLimit()?.remaining),
    'min',
  )
  meters.gauge(
    'entrepot_quota_limit',
    'Pulls that it grants per window.',
    names,
    each((remote) => remote.rateLimit()?.limit),
  )
  const paused = 'For how long nothing that can wait is asked, after a 429.'
  const secondsLeft = (remote: RemoteContent) => Math.max(0, (remote.standing().pausedUntil - clock.now()) / 1000)
  meters.gauge('entrepot_quota_paused_seconds', paused, names, each(secondsLeft))
  const open = '1 for each origin whose circuit is open (it is left alone) or half-open (it is being tried).'
  meters.gauge('entrepot_breaker_open', open, ['upstream', 'origin', 'state'], () =>
    [...upstreams.values()].flatMap(({ labels: [name], remote }) =>
      [...remote.openCircuits()].map(([origin, state]): Reading => [[name, origin, state], 1]),
    ),
  )
  return {
    watch: (name, account, remote) => void upstreams.set(`${name} ${account}`, { labels: [name, account], remote }),
    upstreams: () => upstreams.values(),
  }
}
