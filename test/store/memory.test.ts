// What the store answers from memory, and for how long it believes it: other processes may share the folder.
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { type Clock, systemClock } from '../../src/lib/clock.ts'
import { MemoryDescriptorCache } from '../../src/store/descriptors/memory.ts'
import type { StorageDriver } from '../../src/store/driver.ts'
import { MemoryDriver } from '../../src/store/drivers/memory.ts'
import * as layout from '../../src/store/layout.ts'
import { busybox, contentOver, latest, manifestNamed, manifestWith, nginx, openStore, putBlob, putImage } from './example-content.ts'
import { type WatchedDriver, watchedDriver } from './watched-driver.ts'

function handClock(): Clock & { time: number } {
  return {
    ...systemClock,
    time: 1_000_000,
    now() {
      return this.time
    },
  }
}

async function watchedContent(driver: StorageDriver) {
  const clock = handClock()
  const watched: WatchedDriver = watchedDriver(driver)
  const content = contentOver(watched.driver, { clock, descriptorCache: new MemoryDescriptorCache({ clock }) })
  return { clock, content, calls: watched.calls }
}

it('a popular manifest is the same object and costs no look at the disk', async () => {
  await using store = await openStore('inmemory')
  const { descriptor } = await putImage(store.content, busybox, 'latest')
  const { content, calls } = await watchedContent(store.driver)
  const found = await content.findManifest(busybox, descriptor.digest)
  assert.ok(Object.isFrozen(found) && Object.isFrozen(found?.descriptor))
  calls.length = 0
  assert.equal(await content.findManifest(busybox, descriptor.digest), found)
  assert.equal(await content.describeManifest(busybox, descriptor.digest), found)
  assert.deepEqual(calls, [])
})

it('a manifest that was just put is answered from memory', async () => {
  await using store = await openStore('inmemory')
  const { content, calls } = await watchedContent(store.driver)
  const { descriptor } = await putImage(content, busybox, 'latest')
  calls.length = 0
  assert.deepEqual((await content.findManifest(busybox, descriptor.digest))?.descriptor, descriptor)
  assert.deepEqual(calls, [])
})

it('after a second one look at the link is enough, and the bytes are not read again', async () => {
  await using store = await openStore('inmemory')
  const { descriptor } = await putImage(store.content, busybox, 'latest')
  const { content, calls, clock } = await watchedContent(store.driver)
  const found = await content.findManifest(busybox, descriptor.digest)
  for (const turn of [1, 2]) {
    calls.length = 0
    clock.time += 1000
    assert.equal(await content.findManifest(busybox, descriptor.digest), found, `turn ${turn}`)
    assert.deepEqual(calls, [`stat ${layout.revisionLinkPath(busybox, descriptor.digest)}`])
    assert.equal(await content.findManifest(busybox, descriptor.digest), found)
    assert.equal(calls.length, 1)
  }
})

it('a manifest that another process removed is gone after a second at most', async () => {
  await using store = await openStore('inmemory')
  const { descriptor } = await putImage(store.content, busybox, 'latest')
  const { content, clock } = await watchedContent(store.driver)
  await content.findManifest(busybox, descriptor.digest)
  await store.driver.remove(layout.revisionLinkPath(busybox, descriptor.digest))
  clock.time += 1000
  assert.equal(await content.findManifest(busybox, descriptor.digest), undefined)
  assert.equal(await content.findManifest(busybox, descriptor.digest), undefined)
})

it('a manifest that another process put is found at once: what was absent is not remembered', async () => {
  await using store = await openStore('inmemory')
  const { content } = await watchedContent(store.driver)
  const { digest } = manifestNamed('latest').descriptor
  assert.equal(await content.findManifest(busybox, digest), undefined)
  assert.equal(await content.findManifest(busybox, latest), undefined)
  await putImage(store.content, busybox, 'latest')
  assert.equal((await content.findManifest(busybox, digest))?.descriptor.digest, digest)
  assert.equal((await content.findManifest(busybox, latest))?.descriptor.digest, digest)
})

it('a tag that another process moves is seen at once', async () => {
  await using store = await openStore('inmemory')
  await putImage(store.content, busybox, 'latest')
  const { content } = await watchedContent(store.driver)
  await content.findManifest(busybox, latest)
  const moved = await putImage(store.content, busybox, 'stable', 'latest')
  assert.equal((await content.findManifest(busybox, latest))?.descriptor.digest, moved.descriptor.digest)
})

it('a crowd that asks for a manifest makes one look at the disk', async () => {
  await using store = await openStore('filesystem')
  const { descriptor } = await putImage(store.content, busybox, 'latest')
  const { content, calls, clock } = await watchedContent(store.driver)
  const crowd = async () => Promise.all(Array.from({ length: 100 }, () => content.findManifest(busybox, descriptor.digest)))
  assert.equal(new Set(await crowd()).size, 1)
  assert.equal(calls.filter((call) => call === `read ${layout.blobDataPath(descriptor.digest)}`).length, 1)
  calls.length = 0
  clock.time += 1000
  assert.equal(new Set(await crowd()).size, 1)
  assert.equal(calls.length, 1)
})

/** Holds back what the first read of a path found, until it is let go. */
class HoldingDriver extends MemoryDriver {
  readonly #letGo = Promise.withResolvers<void>()
  #held: string | undefined

  constructor(held: string) {
    super({ clock: systemClock })
    this.#held = held
  }

  letGo(): void {
    this.#letGo.resolve()
  }

  override async read(path: string): Promise<Uint8Array | undefined> {
    const found = await super.read(path)
    if (path === this.#held) {
      this.#held = undefined
      await this.#letGo.promise
    }
    return found
  }
}

it('a look that began before a put neither hides nor forgets what was put', async () => {
  const manifest = manifestNamed('a')
  const { digest } = manifest.descriptor
  const holding = new HoldingDriver(layout.revisionLinkPath(busybox, digest))
  const { content, calls } = await watchedContent(holding)
  const early = content.findManifest(busybox, digest)
  await content.putManifest(busybox, manifest)
  assert.equal((await content.findManifest(busybox, digest))?.descriptor.digest, digest)
  holding.letGo()
  await early
  calls.length = 0
  assert.equal((await content.findManifest(busybox, digest))?.descriptor.digest, digest)
  assert.deepEqual(calls, [])
})

it('a link that another process emptied is noticed after a second at most', async () => {
  await using store = await openStore('inmemory')
  const { descriptor } = await putImage(store.content, busybox, 'latest')
  const { content, clock } = await watchedContent(store.driver)
  await content.findManifest(busybox, descriptor.digest)
  await store.driver.write(layout.revisionLinkPath(busybox, descriptor.digest), new Uint8Array())
  clock.time += 1000
  assert.equal(await content.findManifest(busybox, descriptor.digest), undefined)
})

it('what is too large for a manifest is not read into memory', async () => {
  await using store = await openStore('inmemory')
  const { descriptor, bytes } = manifestWith({ layers: [], annotations: { padding: 'x'.repeat(4 * 1024 * 1024) } })
  await contentOver(store.driver).putManifest(busybox, { descriptor, bytes })
  const { content, calls } = await watchedContent(store.driver)
  assert.ok((await content.findManifest(busybox, descriptor.digest)) === undefined)
  assert.ok(!calls.includes(`read ${layout.blobDataPath(descriptor.digest)}`))
})

it('memory is for one repository: another one that lacks the manifest does not get it', async () => {
  await using store = await openStore('inmemory')
  const { descriptor } = await putImage(store.content, busybox, 'latest')
  assert.notEqual(await store.content.findManifest(busybox, descriptor.digest), undefined)
  assert.equal(await store.content.findManifest(nginx, descriptor.digest), undefined)
})

it('manifests take no more memory than they may, and those that had to leave are read again', async () => {
  await using store = await openStore('inmemory')
  const watched = watchedDriver(store.driver)
  const content = contentOver(watched.driver, { manifestCacheBytes: 10_000 })
  const digests = []
  for (let index = 0; index < 20; index += 1) digests.push((await putImage(content, busybox, `v${index}`)).descriptor.digest)
  watched.calls.length = 0
  for (const digest of digests) assert.equal((await content.findManifest(busybox, digest))?.descriptor.digest, digest)
  assert.ok(watched.calls.filter((call) => call.startsWith('read')).length >= 20)
})

it('a popular blob is the same handle without a look at the disk, and is looked for again after a second', async () => {
  await using store = await openStore('filesystem')
  const digest = await putBlob(store.content, busybox, Buffer.from('layer'))
  const { content, calls, clock } = await watchedContent(store.driver)
  const found = await content.findBlob(busybox, digest)
  calls.length = 0
  assert.equal(await content.findBlob(busybox, digest), found)
  assert.deepEqual(calls, [])
  await store.driver.remove(layout.blobDataPath(digest))
  clock.time += 1000
  assert.equal(await content.findBlob(busybox, digest), undefined)
})
