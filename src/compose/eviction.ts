// `proxy.maxsize`, `ttl`, `pin` and `storage.minfree` of the configuration → what makes room. Part of compose.
import type { Leases } from '../cluster/leases.ts'
import type { Link } from '../cluster/worker-link.ts'
import type { Config } from '../config/load.ts'
import type { Clock } from '../lib/clock.ts'
import { diskSpace } from '../lib/disk-space.ts'
import { Eviction } from '../mirror/eviction.ts'
import { createIsOwn } from '../mirror/own-repositories.ts'
import type { Usage } from '../mirror/usage.ts'
import { freedBytes } from '../mirror/usage-index.ts'
import type { Health } from '../telemetry/health.ts'
import type { Log } from '../telemetry/log.ts'
import type { Meters } from '../telemetry/meters.ts'
import { openCluster } from './cluster.ts'
import { openStore, type Store } from './store.ts'
import { openUsage } from './usage.ts'

export interface EvictionParts {
  readonly usage: Usage
  readonly store: Store
  readonly clock: Clock
  readonly log: Log
  /** Of all who may evict from this store. */
  readonly leases: Leases
  /** Of a worker process: the others reserve room, too. */
  readonly primary?: Link | undefined
  /** Not counted when not given. */
  readonly meters?: Meters
  /** Told when there is no room. */
  readonly health?: Pick<Health, 'tell'>
}

/** `undefined`: nothing is mirrored, so nothing is evicted. Starts nothing. */
export function openEviction(config: Config, parts: EvictionParts): Eviction | undefined {
  const { proxy, storage } = config
  if (proxy === undefined) return undefined
  const { usage, store, clock, log, leases, primary, meters, health } = parts
  const evicted = meters?.counter('entrepot_evicted_bytes_total', 'Bytes that made room, by why they went.', 'reason')
  for (const reason of ['size', 'disk', 'expired', 'asked']) evicted?.of(reason)
  const folder = store.driver.localFile?.('')
  const eviction = new Eviction({
    usage,
    store: store.content,
    disk: async () => (folder === undefined ? undefined : diskSpace(folder)),
    policy: { maxSize: proxy.maxsize, minFree: storage.minfree, ttlMs: proxy.ttl, pins: proxy.pin },
    isOwn: createIsOwn(proxy.local),
    facts: { evicted: (reason, bytes) => evicted?.add(bytes, reason) },
    leases,
    shareReserved: primary && (async (bytes) => (await primary.ask('room.reserved', bytes)) as number),
    tell: (trouble) => health?.tell('room', trouble),
    clock,
    log,
  })
  if (meters !== undefined) showStanding(meters, eviction)
  return eviction
}

/** The index is kept up to date from now on, and room is made. `undefined`: nothing is mirrored. Runs until `building` is closed. */
export function startEviction(config: Config, parts: EvictionParts, building: AsyncDisposableStack): Eviction | undefined {
  building.use(parts.usage).start(parts.store.content)
  const eviction = openEviction(config, parts)
  if (eviction !== undefined) building.use(eviction).start()
  return eviction
}

export interface EvictedRow {
  readonly repository: string
  readonly tags: readonly string[]
  readonly digest: string
  readonly kind: 'manifest' | 'blob'
  readonly reason: string
  /** ISO 8601: its last use. */
  readonly usedAt: string
  /** That are freed. */
  readonly bytes: number
}

/** For the command line: what goes by the limits, in this order. `undefined`: nothing is mirrored. */
export async function evictNow(
  config: Config,
  { log, clock }: Pick<EvictionParts, 'log' | 'clock'>,
  isDryRun: boolean,
): Promise<EvictedRow[] | undefined> {
  await using building = new AsyncDisposableStack()
  const cluster = await openCluster(config, { log, clock }, building)
  await using store = await openStore(config, { log, clock })
  await using usage = openUsage(config, { driver: () => store.driver, cluster: () => cluster, clock, log })
  const eviction = usage === undefined ? undefined : openEviction(config, { usage, store, clock, log, leases: cluster.leases })
  if (usage === undefined || eviction === undefined) return undefined
  await usage.rebuild(store.content, true)
  const rows: EvictedRow[] = []
  for await (const { root, reason, removal } of eviction.plan()) {
    const { repository, tags, digest, kind, usedAt } = root
    rows.push({ repository, tags, digest, kind, reason, usedAt: new Date(usedAt).toISOString(), bytes: freedBytes(removal) })
  }
  if (!isDryRun) await eviction.run()
  return rows
}

function showStanding(meters: Meters, eviction: Eviction): void {
  const show = (name: string, help: string, read: (seen: NonNullable<Eviction['seen']>) => number | undefined) =>
    meters.gauge(name, help, [], () => {
      const value = eviction.seen === undefined ? undefined : read(eviction.seen)
      return value === undefined ? [] : [[[], value]]
    })
  show('entrepot_store_bytes', 'Bytes of all content, each blob once.', ({ storedBytes }) => storedBytes)
  show('entrepot_store_limit_bytes', 'proxy.maxsize; absent without one.', ({ highBytes }) => highBytes)
  show('entrepot_store_reserved_bytes', 'Bytes that running fills may come to.', ({ reservedBytes }) => reservedBytes)
}
