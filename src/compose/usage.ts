// The usage index: beside the store where that is a folder of this machine, in memory elsewhere. Part of compose.
import { LocalLeases } from '../cluster/local-leases.ts'
import { WorkerLeases } from '../cluster/worker-leases.ts'
import type { Link } from '../cluster/worker-link.ts'
import type { Config } from '../config/load.ts'
import type { ContentSource } from '../content.ts'
import type { Clock } from '../lib/clock.ts'
import { NotedContent } from '../mirror/noted-content.ts'
import { parseSchedulerState } from '../mirror/scheduler-state.ts'
import { Usage } from '../mirror/usage.ts'
import { SqliteUsage } from '../mirror/usage-sqlite.ts'
import type { StorageDriver } from '../store/driver.ts'
import { schedulerStatePath, usageIndexPath } from '../store/layout.ts'
import type { Log } from '../telemetry/log.ts'
import { isLookedAt } from './looked-at.ts'

export interface UsageParts {
  /** Known when the store is open. */
  readonly driver: () => StorageDriver
  readonly clock: Clock
  readonly log: Log
  /** Of a worker process: the index is one file for all of them. */
  readonly primary?: Link | undefined
}

/** `undefined`: nothing is mirrored, and nobody could look at what is here. Opens nothing yet. */
export function openUsage(config: Config, { driver, clock, log, primary }: UsageParts): Usage | undefined {
  const { proxy } = config
  if (proxy === undefined && !isLookedAt(config)) return undefined
  return new Usage({
    openIndex: () => SqliteUsage.open(driver().localFile?.(usageIndexPath) ?? ':memory:', log),
    formerUses: () => readSchedulerState(driver(), proxy?.ttl ?? 0, log),
    leases: primary === undefined ? new LocalLeases() : new WorkerLeases(primary),
    clock,
    log,
  })
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
