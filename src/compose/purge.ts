// `storage.maintenance.uploadpurging`: uploads that were begun and left are removed now and then. Part of compose.
import { heldLease } from '../cluster/held-lease.ts'
import type { Leases } from '../cluster/leases.ts'
import type { Config } from '../config/load.ts'
import type { Clock } from '../lib/clock.ts'
import type { LocalContent } from '../store/local-content.ts'
import type { Log } from '../telemetry/log.ts'

/** Replicas that are started together do not walk one folder together. */
const mostDelayMs = 60 * 60_000
/** What a timer can wait for. */
const longestSleepMs = 2 ** 31 - 1

export interface PurgeParts {
  readonly store: Pick<LocalContent, 'purgeUploads'>
  readonly clock: Clock
  readonly log: Log
  /** Of all who may purge this store. */
  readonly leases: Leases
  /** Of the whole delay before the first run, the part that is waited, from 0 to 1; random when not given. */
  readonly delay?: number
}

type Purging = Config['storage']['maintenance']['uploadpurging']

/** Runs until it is disposed, which waits for a run to end. */
export function startPurging({ age, interval, dryrun }: Omit<Purging, 'enabled'>, parts: PurgeParts): AsyncDisposable {
  const { store, clock, log, leases } = parts
  const stop = new AbortController()

  async function purge(): Promise<void> {
    try {
      // Throws while Redis is away: the next turn is soon enough.
      await using held = await heldLease(leases, 'upload purging', stop.signal)
      if (held === undefined) return
      const { purged, kept } = await store.purgeUploads({ olderThanMs: age, isDryRun: dryrun }, held.signal)
      if (purged > 0) log.info({ purged, kept, dryrun }, 'removed uploads that nobody went on with')
    } catch (error) {
      if (!stop.signal.aborted) log.error({ error }, 'old uploads cannot be removed')
    }
  }

  async function run(): Promise<void> {
    let wait = Math.floor((parts.delay ?? Math.random()) * mostDelayMs)
    while (await hasSlept(Math.min(wait, longestSleepMs))) {
      await purge()
      // Without a pause there would be no end to it.
      wait = Math.max(interval, 1000)
    }
  }

  async function hasSlept(ms: number): Promise<boolean> {
    try {
      await clock.sleep(ms, stop.signal)
    } catch {
      // Only the signal ends a sleep early.
    }
    return !stop.signal.aborted
  }

  const ended = run()
  return {
    async [Symbol.asyncDispose]() {
      stop.abort()
      await ended
    },
  }
}
