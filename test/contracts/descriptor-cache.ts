// What every descriptor cache must do, as a suite.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { digestOf } from '../../src/oci/digest.ts'
import { parseRepositoryName } from '../../src/oci/names.ts'
import type { DescriptorCache } from '../../src/store/descriptors/cache.ts'

const [one, other] = [parseRepositoryName('library/one'), parseRepositoryName('library/other')]
const descriptor = { mediaType: 'application/octet-stream', digest: digestOf(Buffer.from('a blob')), size: 6 }

export function descriptorCacheContract(name: string, open: () => DescriptorCache | Promise<DescriptorCache>): void {
  describe(`descriptor cache contract: ${name}`, () => {
    it('knows what was put, in that repository only', async () => {
      const cache = await open()
      assert.equal(await cache.find(one, descriptor.digest), undefined)
      await cache.put(one, descriptor)
      assert.deepEqual(await cache.find(one, descriptor.digest), descriptor)
      assert.equal(await cache.find(other, descriptor.digest), undefined)
      assert.equal(await cache.find(one, digestOf(Buffer.from('another blob'))), undefined)
    })

    it('believes what was put last', async () => {
      const cache = await open()
      await cache.put(one, { ...descriptor, size: 1 })
      await cache.put(one, descriptor)
      assert.equal((await cache.find(one, descriptor.digest))?.size, 6)
    })

    it('forgets what is removed, and says nothing wrong of another repository', async () => {
      const cache = await open()
      await cache.put(one, descriptor)
      await cache.put(other, descriptor)
      await cache.remove(one, descriptor.digest)
      assert.equal(await cache.find(one, descriptor.digest), undefined)
      // distribution's Redis forgets the size for all of them.
      const there = await cache.find(other, descriptor.digest)
      if (there !== undefined) assert.deepEqual(there, descriptor)
      await cache.remove(other, digestOf(Buffer.from('never there')))
    })
  })
}
