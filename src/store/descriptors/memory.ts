// The descriptor cache of one process. Other processes may delete from the same store, so an entry is believed for a moment only.
import { LRUCache } from 'lru-cache'
import type { Clock } from '../../lib/clock.ts'
import type { Descriptor } from '../../oci/descriptor.ts'
import type { Digest } from '../../oci/digest.ts'
import type { RepositoryName } from '../../oci/names.ts'
import type { DescriptorCache } from './cache.ts'

export interface MemoryDescriptorCacheOptions {
  readonly clock: Clock
  /** distribution's `storage.cache.blobdescriptorsize`; its default is 10000. */
  readonly maxEntries?: number
  /** How long an entry is believed without a look at the store, in milliseconds. */
  readonly believeMs?: number
}

interface Entry {
  readonly descriptor: Descriptor
  readonly putAt: number
}

export class MemoryDescriptorCache implements DescriptorCache {
  readonly #entries: LRUCache<string, Entry>
  readonly #clock: Clock
  readonly #believeMs: number

  constructor(options: MemoryDescriptorCacheOptions) {
    this.#entries = new LRUCache({ max: options.maxEntries ?? 10_000 })
    this.#clock = options.clock
    this.#believeMs = options.believeMs ?? 1000
  }

  async find(repository: RepositoryName, digest: Digest): Promise<Descriptor | undefined> {
    const key = keyOf(repository, digest)
    const entry = this.#entries.get(key)
    if (entry === undefined) return undefined
    const ageMs = this.#clock.now() - entry.putAt
    if (ageMs >= 0 && ageMs < this.#believeMs) return entry.descriptor
    this.#entries.delete(key)
    return undefined
  }

  async put(repository: RepositoryName, descriptor: Descriptor): Promise<void> {
    this.#entries.set(keyOf(repository, descriptor.digest), { descriptor, putAt: this.#clock.now() })
  }

  async remove(repository: RepositoryName, digest: Digest): Promise<void> {
    this.#entries.delete(keyOf(repository, digest))
  }
}

function keyOf(repository: RepositoryName, digest: Digest): string {
  return `${repository}@${digest}`
}
