// A descriptor cache whose questions are counted.
import type { StoreFacts } from '../../telemetry/facts.ts'
import type { DescriptorCache } from './cache.ts'

export function countedCache(cache: DescriptorCache, facts: StoreFacts): DescriptorCache {
  return {
    async find(repository, digest) {
      const found = await cache.find(repository, digest)
      facts.descriptor(found !== undefined)
      return found
    },
    put: (repository, descriptor) => cache.put(repository, descriptor),
    remove: (repository, digest) => cache.remove(repository, digest),
  }
}
