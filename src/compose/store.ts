// `storage` of the configuration → what keeps content: a driver, its descriptor cache and the content over them. Part of compose.
import { resolve } from 'node:path'
import type { Config } from '../config/load.ts'
import type { StoreChanges } from '../content-sink.ts'
import type { Cluster } from './cluster.ts'
import type { Clock } from '../lib/clock.ts'
import type { DescriptorCache } from '../store/descriptors/cache.ts'
import { countedCache } from '../store/descriptors/counted.ts'
import { LayeredDescriptorCache } from '../store/descriptors/layered.ts'
import { MemoryDescriptorCache } from '../store/descriptors/memory.ts'
import { RedisDescriptorCache } from '../store/descriptors/redis.ts'
import type { StorageDriver } from '../store/driver.ts'
import { FilesystemDriver } from '../store/drivers/filesystem.ts'
import { measuredDriver } from '../store/drivers/measured.ts'
import { MemoryDriver } from '../store/drivers/memory.ts'
import { S3Driver } from '../store/drivers/s3.ts'
import { blobDataPath } from '../store/layout.ts'
import { LocalContent } from '../store/local-content.ts'
import type { Digest } from '../oci/digest.ts'
import type { StoreFacts } from '../telemetry/facts.ts'
import type { Log } from '../telemetry/log.ts'
import { openAzure } from './azure-storage.ts'
import { openObjectStorage } from './object-storage.ts'
import { manifestRulesOf } from './own.ts'

export interface Store extends AsyncDisposable {
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
  /** Not given: nobody else writes to this store. */
  readonly cluster?: Cluster
}

/** What is kept, without a server over it. Throws Errors that name the configuration key for what is not built. */
export async function openStore(config: Config, parts: StoreParts): Promise<Store> {
  const { log, clock, facts, changes } = parts
  const { filesystem, inmemory } = config.storage
  const plain =
    filesystem !== undefined
      ? new FilesystemDriver({ root: resolve(filesystem.rootdirectory) })
      : inmemory !== undefined
        ? new MemoryDriver({ clock })
        : ((await openObjectStorage(config, { log, clock })) ?? (await openAzure(config, { log, clock })))
  if (plain === undefined) throw new Error('storage: only the drivers filesystem, inmemory, s3, gcs and azure are built')
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
    leases: parts.cluster?.shared?.leases,
    ...descriptorCacheOf(config, driver, parts),
  })
  const dispose = async () => {
    if (plain instanceof S3Driver) await plain[Symbol.asyncDispose]()
  }
  return { driver, content, [Symbol.asyncDispose]: dispose }
}

function countedIn(facts: StoreFacts | undefined, cache: DescriptorCache): DescriptorCache {
  return facts === undefined ? cache : countedCache(cache, facts)
}

function descriptorCacheOf(
  { storage: { cache } }: Config,
  driver: StorageDriver,
  { clock, log, cluster, facts }: StoreParts,
): { descriptorCache?: DescriptorCache } {
  if (cache.blobdescriptor === undefined) return {}
  const near = new MemoryDescriptorCache({ clock, maxEntries: cache.blobdescriptorsize })
  if (cache.blobdescriptor !== 'redis' || cluster?.redis === undefined) return { descriptorCache: countedIn(facts, near) }
  const far = new RedisDescriptorCache({ redis: cluster.redis, log })
  // A file of this machine is found for less than Redis costs; S3 is believed to have what Redis says.
  const isLocal = driver.localFile !== undefined
  const isThere = isLocal ? async (digest: Digest) => (await driver.stat(blobDataPath(digest)))?.kind === 'file' : undefined
  return { descriptorCache: countedIn(facts, new LayeredDescriptorCache({ near, far, isThere })) }
}

function isOpenToAll({ auth, proxy }: Config): boolean {
  const isRefused =
    proxy !== undefined && (proxy.authorization === 'upstream' || Object.values(proxy.repositories).some(({ length }) => length > 0))
  return !isRefused && auth?.silly === undefined && auth?.htpasswd === undefined && auth?.token === undefined
}
