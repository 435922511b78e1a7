// What garbage collection removes, and what it keeps.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type Digest, digestOf } from '../../src/oci/digest.ts'
import { mediaTypes } from '../../src/oci/media-types.ts'
import { parseTag } from '../../src/oci/names.ts'
import { MemoryDescriptorCache } from '../../src/store/descriptors/memory.ts'
import * as layout from '../../src/store/layout.ts'
import type { LocalContent } from '../../src/store/local-content.ts'
import type { SweepOptions } from '../../src/store/sweep.ts'
import { filesBelow } from '../contracts/storage-driver.ts'
import { TestClock } from '../support/clock.ts'
import {
  busybox,
  chunksOf,
  collect,
  contentOver,
  descriptorOf,
  type ExampleManifest,
  latest,
  manifestWith,
  never,
  nginx,
  openStore,
  push,
  pushBlob,
  pushImage,
  putBlob,
} from './example-content.ts'

const hourMs = 3_600_000

/** A store whose clock is ahead of the disk's, so that all that was written is old by now. */
async function openAgedStore(kind: 'filesystem' | 'inmemory' = 'inmemory') {
  const store = await openStore(kind)
  const clock = new TestClock()
  const aged = new TestClock(Date.now() + 100 * hourMs)
  const content = contentOver(store.driver, { clock, descriptorCache: new MemoryDescriptorCache({ clock }) })
  const later = contentOver(store.driver, { clock: aged, descriptorCache: new MemoryDescriptorCache({ clock: aged }) })
  return { ...store, content, later, aged }
}

async function collectGarbage(content: LocalContent, options: Partial<SweepOptions> = {}) {
  const lines: string[] = []
  const report = (line: string) => lines.push(line)
  const totals = await content.collectGarbage({ isDryRun: false, deleteUntagged: false, graceMs: hourMs, ...options }, report, never)
  return { lines, ...totals }
}

function indexOver(...children: readonly ExampleManifest[]): ExampleManifest {
  const manifests = children.map(({ descriptor }) => descriptor)
  return manifestWith({ mediaType: mediaTypes.ociIndex, manifests }, mediaTypes.ociIndex)
}

function referrerTo({ descriptor }: ExampleManifest, note: string): ExampleManifest {
  return manifestWith({ mediaType: mediaTypes.ociIndex, manifests: [], subject: descriptor, annotations: { note } }, mediaTypes.ociIndex)
}

/** Digests of what is kept at all, of these. */
async function keptOf(content: LocalContent, digests: readonly Digest[]): Promise<Digest[]> {
  const kept = await Promise.all(digests.map((digest) => content.statBlob(digest)))
  return digests.filter((_, index) => kept[index] !== undefined)
}

/** The digests of an image of `pushImage`. */
function digestsOf(name: string, manifest: ExampleManifest): Digest[] {
  return [manifest.descriptor.digest, digestOf(Buffer.from(JSON.stringify({ name }))), digestOf(Buffer.from(`layer of ${name}`))]
}

for (const kind of ['filesystem', 'inmemory'] as const) {
  describe(`garbage collection, ${kind}`, () => {
    it('blobs that no manifest needs go, with their links and folders, and all else stays', async () => {
      await using store = await openAgedStore(kind)
      const image = await pushImage(store.content, busybox, 'a', 'latest')
      const stray = await pushBlob(store.content, busybox, Buffer.from('stray'))
      assert.notEqual(await store.later.findBlob(busybox, stray), undefined)
      const before = await filesBelow(store.driver, '/docker')
      const { lines, ...totals } = await collectGarbage(store.later)
      assert.deepEqual(totals, { marked: 3, eligibleBlobs: 1, eligibleManifests: 0, deletedBlobs: 1, deletedBytes: 5 })
      const [manifest, config, layer] = digestsOf('a', image)
      assert.deepEqual(lines, [
        'library/busybox',
        `library/busybox: marking manifest ${manifest} `,
        `library/busybox: marking blob ${config}`,
        `library/busybox: marking blob ${layer}`,
        '',
        '3 blobs marked, 1 blobs and 0 manifests eligible for deletion',
        `blob eligible for deletion: ${stray}`,
        `library/busybox: layer link eligible for deletion: ${stray}`,
      ])
      assert.equal(await store.later.findBlob(busybox, stray), undefined)
      const gone = [layout.blobDataPath(stray), layout.layerLinkPath(busybox, stray)]
      assert.deepEqual((await filesBelow(store.driver, '/docker')).sort(), before.filter((path) => !gone.includes(path)).sort())
      for (const path of gone) assert.equal(await store.driver.stat(path.slice(0, path.lastIndexOf('/'))), undefined)
      assert.deepEqual(await filesBelow(store.driver, layout.condemnedFolder), [])
      assert.deepEqual((await store.later.findManifest(busybox, latest))?.descriptor, image.descriptor)
    })

    it('a dry run says the same and removes nothing', async () => {
      await using store = await openAgedStore(kind)
      await pushImage(store.content, busybox, 'a', 'latest')
      await pushImage(store.content, busybox, 'untagged')
      await pushBlob(store.content, nginx, Buffer.from('stray'))
      const before = await filesBelow(store.driver, '/docker')
      const dry = await collectGarbage(store.later, { isDryRun: true, deleteUntagged: true })
      assert.deepEqual(await filesBelow(store.driver, '/docker'), before)
      const real = await collectGarbage(store.later, { deleteUntagged: true })
      assert.deepEqual(real.lines, dry.lines)
      assert.deepEqual([dry.eligibleBlobs, dry.deletedBlobs, real.eligibleBlobs, real.deletedBlobs], [4, 0, 4, 4])
    })
  })
}

it('what is removed is not answered from memory any more', async () => {
  await using store = await openAgedStore()
  const untagged = await pushImage(store.content, busybox, 'untagged')
  const [manifest, config] = digestsOf('untagged', untagged) as [Digest, Digest]
  assert.notEqual(await store.later.findManifest(busybox, manifest), undefined)
  assert.notEqual(await store.later.findBlob(busybox, config), undefined)
  await collectGarbage(store.later, { deleteUntagged: true })
  assert.equal(await store.later.findManifest(busybox, manifest), undefined)
  assert.equal(await store.later.findBlob(busybox, config), undefined)
})

describe('without a tag', () => {
  it('manifests stay unless they are to go; then they go with what only they need', async () => {
    await using store = await openAgedStore()
    const [tagged, untagged] = [
      await pushImage(store.content, busybox, 'a', 'latest'),
      await pushImage(store.content, busybox, 'b', 'moved'),
    ]
    await push(store.content, busybox, tagged, 'moved')
    const all = [...digestsOf('a', tagged), ...digestsOf('b', untagged)]
    assert.equal((await collectGarbage(store.later)).deletedBlobs, 0)
    assert.deepEqual(await keptOf(store.later, all), all)
    const { lines } = await collectGarbage(store.later, { deleteUntagged: true })
    assert.ok(lines.includes(`manifest eligible for deletion: ${untagged.descriptor.digest}`))
    assert.deepEqual(await keptOf(store.later, all), digestsOf('a', tagged))
    assert.equal(await store.driver.stat(layout.indexLinkPath(busybox, parseTag('moved'), untagged.descriptor.digest)), undefined)
    assert.equal((await store.later.findManifest(busybox, parseTag('moved')))?.descriptor.digest, tagged.descriptor.digest)
  })

  it('children of a tagged index stay, also of an index in it', async () => {
    await using store = await openAgedStore()
    const { content, later } = store
    const child = await pushImage(content, busybox, 'child')
    const inner = indexOver(child)
    const outer = indexOver(inner)
    await push(content, busybox, inner)
    await push(content, busybox, outer, 'latest')
    const other = await pushImage(content, busybox, 'other')
    await collectGarbage(later, { deleteUntagged: true })
    for (const { descriptor } of [outer, inner, child]) assert.notEqual(await later.findManifest(busybox, descriptor.digest), undefined)
    assert.deepEqual(await keptOf(later, digestsOf('child', child)), digestsOf('child', child))
    assert.equal(await later.findManifest(busybox, other.descriptor.digest), undefined)
    await later.removeTag(busybox, latest)
    await collectGarbage(later, { deleteUntagged: true })
    assert.deepEqual(
      await keptOf(
        later,
        [outer, inner, child].map(({ descriptor }) => descriptor.digest),
      ),
      [],
    )
  })

  it('referrers of what is kept stay, and go with their subject', async () => {
    await using store = await openAgedStore()
    const { content, later } = store
    const [kept, goes] = [await pushImage(content, busybox, 'kept', 'latest'), await pushImage(content, busybox, 'goes')]
    const [signature, other] = [referrerTo(kept, 'signature'), referrerTo(goes, 'other')]
    const onSignature = referrerTo(signature, 'of a signature')
    for (const manifest of [signature, other, onSignature]) await push(content, busybox, manifest)
    await collectGarbage(later, { deleteUntagged: true })
    for (const { descriptor } of [kept, signature, onSignature])
      assert.notEqual(await later.findManifest(busybox, descriptor.digest), undefined)
    for (const { descriptor } of [goes, other]) assert.equal(await later.findManifest(busybox, descriptor.digest), undefined)
    assert.equal(await store.driver.stat(layout.referrerPath(busybox, goes.descriptor.digest, other.descriptor.digest)), undefined)
  })
})

describe('a blob stays', () => {
  const relied: Record<string, (content: LocalContent, digest: Digest, bytes: Buffer) => Promise<unknown>> = {
    'when a client has asked for it without its bytes': (content, digest) => content.describeBlob(busybox, digest),
    'when it was mounted': (content, digest) => content.mountBlob(nginx, digest, busybox),
    'when it was pushed again': (content, _digest, bytes) => pushBlob(content, busybox, bytes),
    'when the mirror linked it': (content, digest) => content.linkBlob(nginx, digest),
  }
  for (const [when, relyOn] of Object.entries(relied)) {
    it(`${when} within the grace period, and goes after it`, async () => {
      await using store = await openAgedStore()
      const bytes = Buffer.from('layer')
      const digest = await pushBlob(store.content, busybox, bytes)
      await relyOn(store.later, digest, bytes)
      store.aged.advance(hourMs - 60_000)
      assert.equal((await collectGarbage(store.later)).eligibleBlobs, 0)
      assert.notEqual(await store.later.findBlob(busybox, digest), undefined)
      store.aged.advance(hourMs)
      assert.equal((await collectGarbage(store.later)).deletedBlobs, 1)
    })
  }

  it('for a while longer where the storage does not renew what is young', async () => {
    await using store = await openAgedStore()
    const { aged } = store
    const slow = Object.assign(store.driver, { renewalSlackMs: 30_000 })
    const digest = await pushBlob(store.later, busybox, Buffer.from('layer'))
    for (const path of [layout.blobDataPath(digest), layout.layerLinkPath(busybox, digest)]) await slow.touch(path, aged.now())
    aged.advance(hourMs + 20_000)
    assert.equal((await collectGarbage(store.later)).deletedBlobs, 0)
    aged.advance(20_000)
    assert.equal((await collectGarbage(store.later)).deletedBlobs, 1)
  })

  it('while an upload goes on that began before the grace period after it came', async () => {
    await using store = await openAgedStore()
    const { later, aged, driver } = store
    const before = await pushBlob(later, busybox, Buffer.from('of a push long ago'))
    await driver.touch(layout.layerLinkPath(busybox, before), aged.now())
    aged.advance(10 * hourMs)
    const first = await pushBlob(later, busybox, Buffer.from('first layer'))
    await driver.touch(layout.layerLinkPath(busybox, first), aged.now())
    aged.advance(60_000)
    const { id } = await later.beginUpload(busybox)
    const data = `${layout.uploadFolder(busybox, id)}/data`
    for (let hour = 0; hour < 5; hour += 1) {
      await later.appendToUpload(busybox, id, { offset: hour * 4, body: chunksOf('part') }, never)
      await driver.touch(data, aged.now())
      aged.advance(hourMs - 60_000)
    }
    await collectGarbage(later)
    assert.deepEqual(await keptOf(later, [before, first]), [first])
    assert.equal((await later.findUpload(busybox, id))?.size, 20)
    aged.advance(2 * hourMs)
    await collectGarbage(later)
    assert.deepEqual(await keptOf(later, [first]), [])
  })

  it('where another repository needs it, but a link that nobody needs goes', async () => {
    await using store = await openAgedStore()
    const image = await pushImage(store.content, busybox, 'a', 'latest')
    const [, config, layer] = digestsOf('a', image) as [Digest, Digest, Digest]
    for (const digest of [config, layer]) await store.content.mountBlob(nginx, digest, busybox)
    const { lines, deletedBlobs } = await collectGarbage(store.later)
    assert.equal(deletedBlobs, 0)
    assert.ok(lines.includes(`library/nginx: layer link eligible for deletion: ${layer}`))
    assert.equal(await store.later.findBlob(nginx, layer), undefined)
    assert.notEqual(await store.later.findBlob(busybox, layer), undefined)
  })

  it("where a manifest of its repository can't be read, which may need it", async () => {
    await using store = await openAgedStore()
    const { content, later, driver } = store
    const stray = await pushBlob(content, busybox, Buffer.from('stray'))
    const elsewhere = await pushBlob(content, nginx, Buffer.from('elsewhere'))
    const image = await pushImage(content, busybox, 'a', 'latest')
    await driver.write(layout.blobDataPath(image.descriptor.digest), Buffer.from('rot'))
    await driver.touch(layout.blobDataPath(image.descriptor.digest), Date.now() - hourMs)
    await collectGarbage(later, { deleteUntagged: true })
    assert.deepEqual(await keptOf(later, [stray, elsewhere, ...digestsOf('a', image)]), [stray, ...digestsOf('a', image)])
  })

  it("where a manifest of Docker's oldest format needs it", async () => {
    await using store = await openAgedStore()
    const { content, later } = store
    const layer = await putBlob(content, busybox, Buffer.from('old layer'))
    const bytes = Buffer.from(JSON.stringify({ schemaVersion: 1, fsLayers: [{ blobSum: layer }], history: [] }))
    await content.putManifest(busybox, { descriptor: descriptorOf(bytes, mediaTypes.dockerSchema1), bytes })
    await collectGarbage(later)
    assert.deepEqual(await keptOf(later, [layer]), [layer])
  })
})

it('uploads, files on their way in and other folders are none of its business', async () => {
  await using store = await openAgedStore('filesystem')
  const { id } = await store.content.beginUpload(nginx)
  await store.content.appendToUpload(nginx, id, { offset: 0, body: chunksOf('some') }, never)
  await store.driver.write(`${layout.fillsFolder}/sha256-abc`, Buffer.from('x'))
  await store.driver.write(`${layout.blobsFolder}/sha256/notes`, Buffer.from('x'))
  const before = await filesBelow(store.driver, '')
  await collectGarbage(store.later, { deleteUntagged: true })
  assert.deepEqual((await filesBelow(store.driver, '')).sort(), before.sort())
  assert.equal((await collect(store.driver.open(`${layout.uploadFolder(nginx, id)}/data`, undefined, never)))?.toString(), 'some')
})

it('an empty store has no garbage', async () => {
  await using store = await openStore('filesystem')
  const { lines } = await collectGarbage(store.content)
  assert.deepEqual(lines, ['', '0 blobs marked, 0 blobs and 0 manifests eligible for deletion'])
})
