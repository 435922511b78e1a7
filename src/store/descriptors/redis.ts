// distribution's descriptor cache in Redis: its keys and fields, so that registries of its versions 2 and 3 and ours share one.
//
//   repository::<name>::blobs             set of digests
//   blobs::<digest>                       hash: digest, size, mediatype (of whoever was first)
//   repository::<name>::blobs::<digest>   hash: mediatype, as this repository has it
//   entrepot:removed:<name>@<digest>      ours, for a minute: what is here of this blob may be from before its deletion
//
// distribution writes no time to live: give such a Redis `maxmemory` and `maxmemory-policy allkeys-lru`.
import type { Descriptor } from '../../oci/descriptor.ts'
import type { Digest } from '../../oci/digest.ts'
import type { RepositoryName } from '../../oci/names.ts'
import type { Log } from '../../telemetry/log.ts'
import type { DescriptorCache } from './cache.ts'

export interface RedisDescriptorCacheOptions {
  /** Throws when Redis is away, at the latest after a bounded wait. */
  readonly redis: { ask(command: string, ...args: readonly (string | number)[]): Promise<unknown> }
  readonly log: Log
}

/** Longer than any look at the store that began before the deletion and is remembered after it. */
const removedMs = 60_000

export class RedisDescriptorCache implements DescriptorCache {
  readonly #options: RedisDescriptorCacheOptions

  constructor(options: RedisDescriptorCacheOptions) {
    this.#options = options
  }

  async find(repository: RepositoryName, digest: Digest): Promise<Descriptor | undefined> {
    const { redis } = this.#options
    const replies = await this.#tried(() =>
      // All are sent before the first is answered. Each key may lie on another node of a Cluster.
      Promise.all([
        redis.ask('EXISTS', removedKey(repository, digest)),
        redis.ask('SISMEMBER', setKey(repository), digest),
        redis.ask('HMGET', blobKey(digest), 'digest', 'size', 'mediatype'),
        redis.ask('HGET', linkKey(repository, digest), 'mediatype'),
      ]),
    )
    if (replies === undefined) return undefined
    const [wasRemoved, isMember, fields, mediaType] = replies
    if (wasRemoved !== 0 || isMember !== 1 || !Array.isArray(fields) || typeof mediaType !== 'string') return undefined
    return descriptorOf(fields, digest, mediaType)
  }

  async put(repository: RepositoryName, { digest, size, mediaType }: Descriptor): Promise<void> {
    const { redis } = this.#options
    await this.#tried(async () => {
      if ((await redis.ask('EXISTS', removedKey(repository, digest))) !== 0) return
      await Promise.all([
        redis.ask('SADD', setKey(repository), digest),
        redis.ask('HSET', blobKey(digest), 'digest', digest, 'size', size),
        redis.ask('HSETNX', blobKey(digest), 'mediatype', mediaType),
        redis.ask('HSET', linkKey(repository, digest), 'mediatype', mediaType),
      ])
    })
  }

  async remove(repository: RepositoryName, digest: Digest): Promise<void> {
    const { redis } = this.#options
    await this.#tried(() =>
      Promise.all([
        redis.ask('SET', removedKey(repository, digest), '1', 'PX', removedMs),
        redis.ask('SREM', setKey(repository), digest),
        redis.ask('DEL', linkKey(repository, digest)),
        // As distribution does since CVE-2026-35172; another repository that has the blob is asked of the store once.
        redis.ask('HDEL', blobKey(digest), 'digest', 'size', 'mediatype'),
      ]),
    )
  }

  /** `undefined`: Redis could not be asked. The connection tells of an outage. */
  async #tried<T>(ask: () => Promise<T>): Promise<T | undefined> {
    try {
      return await ask()
    } catch (error) {
      this.#options.log.debug({ error }, 'the descriptor cache in Redis could not be asked')
      return undefined
    }
  }
}

function descriptorOf([storedDigest, sizeText]: readonly unknown[], digest: Digest, mediaType: string): Descriptor | undefined {
  const isWhole = storedDigest === digest && typeof sizeText === 'string' && /^\d{1,15}$/.test(sizeText)
  return isWhole ? Object.freeze({ mediaType, digest, size: Number(sizeText) }) : undefined
}

function setKey(repository: RepositoryName): string {
  return `repository::${repository}::blobs`
}

function blobKey(digest: Digest): string {
  return `blobs::${digest}`
}

function linkKey(repository: RepositoryName, digest: Digest): string {
  return `repository::${repository}::blobs::${digest}`
}

function removedKey(repository: RepositoryName, digest: Digest): string {
  return `entrepot:removed:${repository}@${digest}`
}
