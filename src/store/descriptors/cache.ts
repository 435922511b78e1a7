// What is remembered about blobs, so that a popular one costs no look at the disk.
import type { Descriptor } from '../../oci/descriptor.ts'
import type { Digest } from '../../oci/digest.ts'
import type { RepositoryName } from '../../oci/names.ts'

/**
 * Blobs that were found in repositories. Nothing is lost with an entry, so methods never throw: a cache in trouble knows
 * nothing. Every implementation passes test/contracts/descriptor-cache.ts.
 */
export interface DescriptorCache {
  /** `undefined`: not known here, which says nothing about the store. */
  find(repository: RepositoryName, digest: Digest): Promise<Descriptor | undefined>
  put(repository: RepositoryName, descriptor: Descriptor): Promise<void>
  remove(repository: RepositoryName, digest: Digest): Promise<void>
}
