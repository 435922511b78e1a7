// `storage` of the configuration → what keeps content: a driver, its descriptor cache and the content over them. Part of compose.
import { resolve } from 'node:path'
import type { Config } from '../config/load.ts'
import type { StoreChanges } from '../content-sink.ts'
import type { Clock } from '../lib/clock.ts'
import type { DescriptorCache } from '../store/descriptors/cache.ts'
import { countedCache } from '../store/descriptors/counted.ts'
import { MemoryDescriptorCache } from '../store/descriptors/memory.ts'
import type { StorageDriver } from '../store/driver.ts'
import { FilesystemDriver } from '../store/drivers/filesystem.ts'
import { measuredDriver } from '../store/drivers/measured.ts'
import { MemoryDriver } from '../store/drivers/memory.ts'
import { LocalContent } from '../store/local-content.ts'
import type { StoreFacts } from '../telemetry/facts.ts'
import type { Log } from '../telemetry/log.ts'
import { manifestRulesOf } from './own.ts'

export interface Store {
  readonly driver: StorageDriver
  readonly content: LocalContent
}

export interface StoreParts {
  readonly log: Log
  readonly clock: Clock
  /** Who is told how long the driver takes; nobody when not given. */
  readonly facts?: StoreFacts | undefined
  /** Told of what comes and goes. */
  readonly changes?: StoreChanges | undefined
}

/** What is kept, without a server over it. Throws Errors that name the configuration key for what is not built. */
export function openStore(config: Config, { log, clock, facts, changes }: StoreParts): Store {
  const { cache, filesystem, inmemory } = config.storage
  const plain =
    filesystem !== undefined
      ? new FilesystemDriver({ root: resolve(filesystem.rootdirectory) })
      : inmemory !== undefined
        ? new MemoryDriver({ clock })
        : undefined
  if (plain === undefined) throw new Error('storage: only the drivers filesystem and inmemory are built so far')
  const driver = facts === undefined ? plain : measuredDriver(plain, facts)
  const content = new LocalContent({
    driver,
    log,
    clock,
    changes,
    maxTags: config.tags.maxtags,
    maxCatalogEntries: config.catalog.maxentries,
    manifestRules: manifestRulesOf(config),
    // Where everybody may pull everything, whoever knows a digest may have the blob.
    mountsFromAnywhere: isOpenToAll(config),
    ...(cache.blobdescriptor === 'inmemory'
      ? { descriptorCache: countedIn(facts, new MemoryDescriptorCache({ clock, maxEntries: cache.blobdescriptorsize })) }
      : {}),
  })
  return { driver, content }
}

function countedIn(facts: StoreFacts | undefined, cache: DescriptorCache): DescriptorCache {
  return facts === undefined ? cache : countedCache(cache, facts)
}

function isOpenToAll({ auth }: Config): boolean {
  return auth?.silly === undefined && auth?.htpasswd === undefined && auth?.token === undefined
}
