// Garbage collection while clients push: whoever was told that a blob is there finds it when its manifest comes.
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { systemClock } from '../../src/lib/clock.ts'
import { type Digest, digestOf } from '../../src/oci/digest.ts'
import type { StorageDriver } from '../../src/store/driver.ts'
import { MemoryDriver } from '../../src/store/drivers/memory.ts'
import * as layout from '../../src/store/layout.ts'
import type { LocalContent } from '../../src/store/local-content.ts'
import { until } from '../support/until.ts'
import { busybox, collect, contentOver, descriptorOf, manifestWith, never, openStore, push, pushBlob, putBlob } from './example-content.ts'

const minuteMs = 60_000
const sweepOptions = { isDryRun: false, deleteUntagged: true, graceMs: minuteMs }

/** Lets a test act just before and just after a file is moved or removed. */
class HookedDriver extends MemoryDriver {
  hook: (call: string) => Promise<void> = async () => {}

  constructor() {
    super({ clock: systemClock })
  }

  override async move(from: string, to: string): Promise<void> {
    await this.hook(`before move ${from}`)
    await super.move(from, to)
    await this.hook(`after move ${from}`)
  }

  override async remove(path: string): Promise<boolean> {
    await this.hook(`before remove ${path}`)
    const removed = await super.remove(path)
    await this.hook(`after remove ${path}`)
    return removed
  }
}

/** Acts once at the moment, and reports what came of it. */
async function sweepWith(driver: HookedDriver, moment: string, act: () => Promise<unknown>): Promise<unknown> {
  let outcome: unknown = 'the moment did not come'
  driver.hook = async (call) => {
    if (call !== moment) return
    driver.hook = async () => {}
    outcome = await act()
  }
  await contentOver(driver).collectGarbage(sweepOptions, () => {}, never)
  return outcome
}

async function strayIn(driver: HookedDriver): Promise<Digest> {
  const digest = await pushBlob(contentOver(driver), busybox, Buffer.from('stray'))
  await age(driver, digest)
  return digest
}

async function age(driver: StorageDriver, digest: Digest): Promise<void> {
  for (const path of [layout.blobDataPath(digest), layout.layerLinkPath(busybox, digest)])
    await driver.touch(path, Date.now() - 60 * minuteMs)
}

const moments: Record<string, (digest: Digest) => string> = {
  'before its link is taken aside': (digest) => `before move ${layout.layerLinkPath(busybox, digest)}`,
  'after its link was taken aside': (digest) => `after move ${layout.layerLinkPath(busybox, digest)}`,
  'before its link is deleted': (digest) => `before remove ${layout.condemnedPath(layout.layerLinkPath(busybox, digest))}`,
  'after its link was deleted': (digest) => `after remove ${layout.condemnedPath(layout.layerLinkPath(busybox, digest))}`,
  'before it is taken aside': (digest) => `before move ${layout.blobDataPath(digest)}`,
  'after it was taken aside': (digest) => `after move ${layout.blobDataPath(digest)}`,
  'before it is deleted': (digest) => `before remove ${layout.condemnedPath(layout.blobDataPath(digest))}`,
  'after it was deleted': (digest) => `after remove ${layout.condemnedPath(layout.blobDataPath(digest))}`,
}

for (const [name, momentOf] of Object.entries(moments)) {
  it(`a client that asks for a blob ${name} finds it afterwards, if it was told that it is there`, async () => {
    const driver = new HookedDriver()
    const digest = await strayIn(driver)
    const client = contentOver(driver)
    const told = await sweepWith(driver, momentOf(digest), async () => (await client.describeBlob(busybox, digest)) !== undefined)
    assert.equal(told, told === true ? (await client.findBlob(busybox, digest)) !== undefined : false)
  })

  it(`a blob that is pushed ${name} is there`, async () => {
    const driver = new HookedDriver()
    const digest = await strayIn(driver)
    const client = contentOver(driver)
    assert.equal(await sweepWith(driver, momentOf(digest), () => pushBlob(client, busybox, Buffer.from('stray'))), digest)
    const found = await client.findBlob(busybox, digest)
    assert.equal((await collect(found?.open(undefined, never)))?.toString(), 'stray')
  })

  it(`a manifest that is pushed ${name} is kept with it, or refused`, async () => {
    const driver = new HookedDriver()
    const digest = await strayIn(driver)
    const client = contentOver(driver)
    const manifest = manifestWith({
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      config: descriptorOf(Buffer.from('stray')),
      layers: [],
    })
    const outcome = await sweepWith(driver, momentOf(digest), () =>
      push(client, busybox, manifest, 'latest').then(
        () => true,
        () => false,
      ),
    )
    assert.equal((await client.findManifest(busybox, manifest.descriptor.digest)) !== undefined, outcome)
    assert.equal(outcome, outcome === true ? (await client.findBlob(busybox, digest)) !== undefined : false)
  })
}

it('what a killed sweep had taken aside comes back for who asks, and is judged anew by the next one', async () => {
  await using store = await openStore('filesystem')
  const [asked, forgotten] = [
    await putBlob(store.content, busybox, Buffer.from('asked')),
    await putBlob(store.content, busybox, Buffer.from('forgotten')),
  ]
  for (const digest of [asked, forgotten])
    await store.driver.move(layout.blobDataPath(digest), layout.condemnedPath(layout.blobDataPath(digest)))
  assert.equal((await store.content.describeBlob(busybox, asked))?.descriptor.size, 5)
  assert.equal(await store.driver.stat(layout.blobDataPath(forgotten)), undefined)
  await store.content.collectGarbage(sweepOptions, () => {}, never)
  assert.notEqual(await store.driver.stat(layout.blobDataPath(forgotten)), undefined)
})

it('many who push, remove and push again while two sweeps run lose nothing', { timeout: 120_000 }, async () => {
  await using store = await openStore('filesystem')
  const [first, second] = [store.content, contentOver(store.driver)]
  const stop = new AbortController()
  const outcomes = { found: 0, uploaded: 0, sweeps: 0 }

  /** Finds or uploads the blobs, pushes the manifest, sees that all is there, and makes garbage of it, as old as an hour would. */
  async function pushAndLeave(content: LocalContent, name: string): Promise<void> {
    const blobs = ['config', 'layer one', 'layer two'].map((what) => Buffer.from(`${what} of ${name}`))
    const [config, ...layers] = blobs.map((bytes) => descriptorOf(bytes))
    const manifest = manifestWith({ mediaType: 'application/vnd.oci.image.manifest.v1+json', config, layers })
    for (const bytes of blobs) {
      const isThere = (await content.describeBlob(busybox, digestOf(bytes))) !== undefined
      outcomes[isThere ? 'found' : 'uploaded'] += 1
      if (!isThere) await pushBlob(content, busybox, bytes)
    }
    await push(content, busybox, manifest, name)
    for (const bytes of blobs) {
      const found = await contentOver(store.driver).findBlob(busybox, digestOf(bytes))
      assert.ok(bytes.equals((await collect(found?.open(undefined, never))) ?? Buffer.alloc(0)))
    }
    assert.notEqual(await content.removeManifest(busybox, manifest.descriptor.digest), undefined)
    for (const digest of [...blobs.map((bytes) => digestOf(bytes)), manifest.descriptor.digest]) await age(store.driver, digest)
  }

  async function client(content: LocalContent, name: string): Promise<void> {
    for (let turn = 0; turn < 30; turn += 1) {
      await pushAndLeave(content, name)
      // Comes back at any moment of a sweep, and now and then after one.
      const swept = outcomes.sweeps + (turn % 3)
      await until('more sweeps', () => outcomes.sweeps >= swept, 30_000)
    }
  }

  async function sweepAlways(content: LocalContent): Promise<number> {
    let deleted = 0
    while (!stop.signal.aborted) {
      deleted += (await content.collectGarbage(sweepOptions, () => {}, never)).deletedBlobs
      outcomes.sweeps += 1
    }
    return deleted
  }

  const sweeping = Promise.all([sweepAlways(first), sweepAlways(second)])
  const clients = Promise.all([client(first, 'a'), client(second, 'b'), client(first, 'c')]).finally(() => stop.abort())
  await Promise.allSettled([sweeping, clients])
  const [deleted] = await Promise.all([sweeping, clients])
  assert.ok(deleted[0] + deleted[1] > 5, `${deleted.join(' and ')} blobs deleted`)
  assert.ok(outcomes.found > 5 && outcomes.uploaded > 5, JSON.stringify(outcomes))
})
