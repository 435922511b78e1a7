// The memory of this process in front of one that replicas share. What another replica deletes is believed here for as long as the
// memory believes anything, a second: no message has to arrive for that, and none can be lost.
import type { Descriptor } from '../../oci/descriptor.ts'
import type { Digest } from '../../oci/digest.ts'
import type { RepositoryName } from '../../oci/names.ts'
import type { DescriptorCache } from './cache.ts'

export interface LayeredDescriptorCacheOptions {
  readonly near: DescriptorCache
  readonly far: DescriptorCache
  /**
   * Whether the bytes are there, asked before an entry of `far` is believed: somebody's garbage collection may have taken them and
   * told nobody. For drivers that know it for less than the look at the store costs that the cache saves.
   */
  readonly isThere?: ((digest: Digest) => Promise<boolean>) | undefined
}

export class LayeredDescriptorCache implements DescriptorCache {
  readonly #options: LayeredDescriptorCacheOptions
  /** Counts what was taken out: what was found before must not be remembered after. */
  #removals = 0

  constructor(options: LayeredDescriptorCacheOptions) {
    this.#options = options
  }

  async find(repository: RepositoryName, digest: Digest): Promise<Descriptor | undefined> {
    const { near, far, isThere } = this.#options
    const here = await near.find(repository, digest)
    if (here !== undefined) return here
    const removals = this.#removals
    const known = await far.find(repository, digest)
    if (known === undefined) return undefined
    if (isThere !== undefined && !(await isThere(digest).catch(() => false))) {
      await this.remove(repository, digest)
      return undefined
    }
    if (removals !== this.#removals) return undefined
    await near.put(repository, known)
    return known
  }

  async put(repository: RepositoryName, descriptor: Descriptor): Promise<void> {
    await this.#options.near.put(repository, descriptor)
    await this.#options.far.put(repository, descriptor)
  }

  async remove(repository: RepositoryName, digest: Digest): Promise<void> {
    this.#removals += 1
    await this.#options.near.remove(repository, digest)
    await this.#options.far.remove(repository, digest)
  }
}
