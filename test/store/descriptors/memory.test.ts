import assert from 'node:assert/strict'
import { it } from 'node:test'
import { systemClock } from '../../../src/lib/clock.ts'
import { digestOf } from '../../../src/oci/digest.ts'
import { parseRepositoryName } from '../../../src/oci/names.ts'
import { MemoryDescriptorCache } from '../../../src/store/descriptors/memory.ts'
import { descriptorCacheContract } from '../../contracts/descriptor-cache.ts'

const repository = parseRepositoryName('library/busybox')
const descriptorOf = (size: number) => ({ mediaType: 'application/octet-stream', digest: digestOf(Buffer.alloc(size)), size })

descriptorCacheContract('memory', () => new MemoryDescriptorCache({ clock: systemClock }))

it('a remembered descriptor is the same object, until it is too old to be believed', async () => {
  let now = 1_000_000
  const cache = new MemoryDescriptorCache({ clock: { ...systemClock, now: () => now }, believeMs: 1000 })
  const descriptor = descriptorOf(5)
  await cache.put(repository, descriptor)
  now += 999
  assert.equal(await cache.find(repository, descriptor.digest), descriptor)
  now += 1
  assert.equal(await cache.find(repository, descriptor.digest), undefined)
})

it('a clock that is set back does not make an entry immortal', async () => {
  let now = 1_000_000
  const cache = new MemoryDescriptorCache({ clock: { ...systemClock, now: () => now } })
  await cache.put(repository, descriptorOf(5))
  now -= 500_000
  assert.equal(await cache.find(repository, descriptorOf(5).digest), undefined)
})

it('holds no more entries than it may', async () => {
  const cache = new MemoryDescriptorCache({ clock: systemClock, maxEntries: 3 })
  for (const size of [1, 2, 3, 4]) await cache.put(repository, descriptorOf(size))
  assert.equal(await cache.find(repository, descriptorOf(1).digest), undefined)
  assert.equal((await cache.find(repository, descriptorOf(4).digest))?.size, 4)
})
