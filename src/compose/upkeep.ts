// What is done now and then to what is stored: abandoned uploads go, and all of it is read again. Part of compose.
import type { Leases } from '../cluster/leases.ts'
import type { Config } from '../config/load.ts'
import type { ContentSource } from '../content.ts'
import type { OwnContent } from '../http/own-content.ts'
import type { Clock } from '../lib/clock.ts'
import type { Health } from '../telemetry/health.ts'
import type { Log } from '../telemetry/log.ts'
import { startPurging } from './purge.ts'
import type { Store } from './store.ts'
import { startScrubbing } from './verification.ts'

export interface UpkeepParts {
  readonly own: OwnContent | undefined
  readonly store: Store
  readonly mirror: ContentSource | undefined
  readonly leases: Leases
  readonly clock: Clock
  readonly log: Log
  readonly health: Health
}

/** Runs until `building` is closed. */
export function startUpkeep(config: Config, parts: UpkeepParts, building: AsyncDisposableStack): void {
  const { own, store, mirror, leases, clock, log, health } = parts
  const { maintenance, scrub } = config.storage
  if (own !== undefined && !maintenance.readonly.enabled && maintenance.uploadpurging.enabled) {
    building.use(startPurging(maintenance.uploadpurging, { store: store.content, clock, log, leases }))
  }
  if (scrub.enabled) building.use(startScrubbing(config, { local: store.content, mirror, clock, log, health, leases }))
}
