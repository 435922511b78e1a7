// The usage index: beside the store where that is a folder of this machine. Elsewhere each process has one in memory, and with Redis they
// tell each other what it takes to judge alike. Part of compose.
import { randomUUID } from 'node:crypto'
import { awaitedLease } from '../cluster/held-lease.ts'
import type { Leases } from '../cluster/leases.ts'
import { LocalLeases } from '../cluster/local-leases.ts'
import { WorkerLeases } from '../cluster/worker-leases.ts'
import type { Link } from '../cluster/worker-link.ts'
import type { Config } from '../config/load.ts'
import type { ContentSource } from '../content.ts'
import type { Clock } from '../lib/clock.ts'
import { isOnThisMachine } from '../lib/file-systems.ts'
import { NotedContent } from '../mirror/noted-content.ts'
import { parseSchedulerState } from '../mirror/scheduler-state.ts'
import { StoredPins } from '../mirror/stored-pins.ts'
import { Usage } from '../mirror/usage.ts'
import { UsageExchange } from '../mirror/usage-exchange.ts'
import type { UsageIndex } from '../mirror/usage-index.ts'
import { ReplicaUsage } from '../mirror/usage-replica.ts'
import { SqliteUsage } from '../mirror/usage-sqlite.ts'
import type { StorageDriver } from '../store/driver.ts'
import { pinsPath, schedulerStatePath, storeIdPath, usageIndexPath } from '../store/layout.ts'
import type { Log } from '../telemetry/log.ts'
import type { Cluster } from './cluster.ts'
import { isLookedAt } from './looked-at.ts'

export interface UsageParts {
  /** Known when the store is open. */
  readonly driver: () => StorageDriver
  /** Known then, too. */
  readonly cluster: () => Pick<Cluster, 'redis' | 'leases'>
  readonly clock: Clock
  readonly log: Log
  /** Of a worker process: the index is one file for all of them. */
  readonly primary?: Link | undefined
}

/** `undefined`: nothing is mirrored, and nobody could look at what is here. Opens nothing yet. */
export function openUsage(config: Config, parts: UsageParts): Usage | undefined {
  const { driver, clock, log, primary } = parts
  const { proxy } = config
  if (proxy === undefined && !isLookedAt(config)) return undefined
  return new Usage({
    openIndex: () => openIndex(parts),
    formerUses: () => readSchedulerState(driver(), proxy?.ttl ?? 0, log),
    leases: primary === undefined ? new LocalLeases() : new WorkerLeases(primary),
    clock,
    log,
  })
}

async function openIndex({ driver: opened, cluster, clock, log }: UsageParts): Promise<UsageIndex> {
  const { redis, leases } = cluster()
  const driver = opened()
  const file = driver.localFile?.(usageIndexPath)
  // SQLite's locks mean nothing to other hosts that have mounted the folder, too.
  if (file !== undefined && (redis === undefined || (await isOnThisMachine(file)))) return SqliteUsage.open(file, log)
  const own = await SqliteUsage.open(':memory:', log)
  const pinFile = { read: () => driver.read(pinsPath), write: (bytes: Uint8Array) => driver.write(pinsPath, bytes) }
  const pins = new StoredPins({ file: pinFile, leases, clock, log })
  const others = redis && new UsageExchange({ redis, storeId: () => storeIdOf(driver, leases), clock, log })
  return new ReplicaUsage({ own, pins, others, now: () => clock.now() })
}

const storeIdPatienceMs = 2000

/** It is made by whoever comes first. Throws what the store throws, and while nobody can tell who that is. */
async function storeIdOf(driver: StorageDriver, leases: Leases): Promise<string> {
  const find = async () => {
    const bytes = await driver.read(storeIdPath)
    return bytes === undefined ? undefined : new TextDecoder().decode(bytes).trim()
  }
  const found = await find()
  if (found !== undefined) return found
  await using _only = await awaitedLease(leases, 'store id', AbortSignal.timeout(storeIdPatienceMs))
  const made = (await find()) ?? randomUUID()
  await driver.write(storeIdPath, Buffer.from(`${made}\n`))
  return made
}

/** Content whose uses are noted. */
export function noted(content: ContentSource, usage: Usage | undefined): ContentSource {
  return usage === undefined ? content : new NotedContent(content, usage)
}

/** distribution counts its ttl from when something was first cached; that is the best guess at its last use. */
async function readSchedulerState(driver: StorageDriver, ttlMs: number, log: Log) {
  const bytes = await driver.read(schedulerStatePath)
  if (bytes === undefined || ttlMs <= 0) return []
  try {
    const entries = parseSchedulerState(new TextDecoder().decode(bytes))
    return entries.map(({ repository, digest, expiresAt }) => ({ repository, digest, tag: undefined, usedAt: expiresAt - ttlMs }))
  } catch (error) {
    const aside = `${schedulerStatePath}.broken`
    log.warn({ file: schedulerStatePath, aside, error }, "distribution's scheduler state is broken: it is put aside")
    await driver.move(schedulerStatePath, aside)
    return []
  }
}
