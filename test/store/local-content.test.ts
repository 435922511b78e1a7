// What the store keeps and finds, over each driver.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { digestOf } from '../../src/oci/digest.ts'
import { mediaTypes } from '../../src/oci/media-types.ts'
import { parseRepositoryName, parseTag } from '../../src/oci/names.ts'
import * as layout from '../../src/store/layout.ts'
import {
  busybox,
  collect,
  contentOver,
  latest,
  manifestNamed,
  manifestWith,
  never,
  nginx,
  openStore,
  putBlob,
  putImage,
  stable,
} from './example-content.ts'
import { watchedDriver } from './watched-driver.ts'

const absent = digestOf(Buffer.from('never stored'))
const everything = { n: undefined, last: undefined }

for (const kind of ['filesystem', 'inmemory'] as const) {
  describe(`local content, ${kind}`, () => {
    it('an empty store has nothing, without trouble', async () => {
      await using store = await openStore(kind)
      const { content } = store
      assert.equal(await content.findManifest(busybox, absent), undefined)
      assert.equal(await content.findManifest(busybox, latest), undefined)
      assert.equal(await content.describeBlob(busybox, absent), undefined)
      assert.equal(await content.listTags(busybox, everything), undefined)
      assert.equal(await content.statBlob(absent), undefined)
      assert.equal(await content.removeTag(busybox, latest), false)
      assert.equal(await content.listReferrers(busybox, absent, undefined), undefined)
      assert.deepEqual(await content.listRepositories(everything, never), { items: [], more: false })
    })

    it('a manifest is found by digest and by tag, byte for byte, with its type', async () => {
      await using store = await openStore(kind)
      const put = await putImage(store.content, busybox, 'latest')
      // A second one over the same driver has nothing in memory.
      for (const content of [store.content, contentOver(store.driver)]) {
        for (const reference of [put.descriptor.digest, latest]) {
          const found = await content.findManifest(busybox, reference)
          assert.ok(Buffer.from(put.bytes).equals(found?.bytes ?? Buffer.alloc(0)))
          assert.deepEqual(found?.descriptor, put.descriptor)
          assert.deepEqual(found?.provenance, { verdict: 'hit' })
          assert.deepEqual((await content.describeManifest(busybox, reference))?.descriptor, put.descriptor)
        }
        assert.equal(await content.findManifest(nginx, put.descriptor.digest), undefined)
        assert.equal(await content.findManifest(busybox, stable), undefined)
      }
    })

    it('a manifest is no blob of its repository', async () => {
      await using store = await openStore(kind)
      const { descriptor } = await putImage(store.content, busybox, 'latest')
      assert.equal(await store.content.findBlob(busybox, descriptor.digest), undefined)
      assert.deepEqual(await store.content.statBlob(descriptor.digest), { size: descriptor.size })
    })

    it('the bytes that were put stay as they are, whatever the caller does with its own', async () => {
      await using store = await openStore(kind)
      const { descriptor, bytes } = manifestNamed('a')
      const mine = Buffer.from(bytes)
      await store.content.putManifest(busybox, { descriptor, bytes: mine })
      mine.fill(0)
      const found = await store.content.findManifest(busybox, descriptor.digest)
      assert.equal(digestOf(found?.bytes ?? Buffer.alloc(0)), descriptor.digest)
    })

    it('a type that the bytes do not tell is kept beside them, and only then', async () => {
      await using store = await openStore(kind)
      const untold = manifestWith({ manifests: [] }, mediaTypes.dockerManifestList)
      const told = manifestWith({ manifests: [], mediaType: mediaTypes.ociIndex }, mediaTypes.ociIndex)
      for (const manifest of [untold, told]) {
        await store.content.putManifest(busybox, manifest)
        const found = await contentOver(store.driver).findManifest(busybox, manifest.descriptor.digest)
        assert.equal(found?.descriptor.mediaType, manifest.descriptor.mediaType)
      }
      assert.notEqual(await store.driver.stat(layout.mediaTypePath(untold.descriptor.digest)), undefined)
      assert.equal(await store.driver.stat(layout.mediaTypePath(told.descriptor.digest)), undefined)
      await store.content.putManifest(busybox, { ...untold, descriptor: { ...untold.descriptor, mediaType: mediaTypes.ociIndex } })
      const changed = await contentOver(store.driver).findManifest(busybox, untold.descriptor.digest)
      assert.equal(changed?.descriptor.mediaType, mediaTypes.ociIndex)
    })

    it('a manifest of an unknown type is served with the type that it came with', async () => {
      await using store = await openStore(kind)
      const odd = manifestWith({ blobs: [] }, 'application/vnd.oci.artifact.manifest.v1+json')
      await store.content.putManifest(busybox, odd)
      assert.deepEqual((await contentOver(store.driver).findManifest(busybox, odd.descriptor.digest))?.descriptor, odd.descriptor)
    })

    it('a blob is found where it was put and nowhere else, until it is linked there', async () => {
      await using store = await openStore(kind)
      const { content } = store
      const bytes = Buffer.alloc(1_500_000, 'layer ')
      const digest = await putBlob(content, busybox, bytes)
      const found = await content.findBlob(busybox, digest)
      assert.deepEqual(found?.descriptor, { mediaType: 'application/octet-stream', digest, size: bytes.length })
      assert.deepEqual(found.provenance, { verdict: 'hit' })
      assert.ok(bytes.equals((await collect(found.open(undefined, never))) ?? Buffer.alloc(0)))
      assert.ok(bytes.subarray(5, 1_200_001).equals((await collect(found.open({ start: 5, end: 1_200_000 }, never))) ?? Buffer.alloc(0)))
      assert.equal(await content.findBlob(nginx, digest), undefined)
      await content.linkBlob(nginx, digest)
      assert.deepEqual((await content.describeBlob(nginx, digest))?.descriptor, found.descriptor)
    })

    it('a blob of no bytes is a blob', async () => {
      await using store = await openStore(kind)
      const digest = await putBlob(store.content, busybox, Buffer.alloc(0))
      const found = await store.content.findBlob(busybox, digest)
      assert.equal(found?.descriptor.size, 0)
      assert.equal((await collect(found.open(undefined, never)))?.length, 0)
    })

    it('what is not kept can not be linked', async () => {
      await using store = await openStore(kind)
      await assert.rejects(store.content.linkBlob(busybox, absent), { code: 'BLOB_UNKNOWN' })
      assert.equal(await store.driver.stat(layout.layerLinkPath(busybox, absent)), undefined)
    })

    it('a handle tells its file where there is one', async () => {
      await using store = await openStore(kind)
      const digest = await putBlob(store.content, busybox, Buffer.from('layer'))
      const found = await store.content.findBlob(busybox, digest)
      assert.equal(found?.file, store.driver.localFile?.(layout.blobDataPath(digest)))
      assert.equal(found?.file !== undefined, kind === 'filesystem')
    })

    it('a tag moves, remembers where it was, and goes', async () => {
      await using store = await openStore(kind)
      const [first, second] = [await putImage(store.content, busybox, 'latest'), await putImage(store.content, busybox, 'stable', 'latest')]
      const digestOfLatest = async () => (await store.content.describeManifest(busybox, latest))?.descriptor.digest
      assert.equal(await digestOfLatest(), second.descriptor.digest)
      for (const { descriptor } of [first, second]) {
        assert.notEqual(await store.driver.stat(layout.indexLinkPath(busybox, latest, descriptor.digest)), undefined)
      }
      assert.equal(await store.content.removeTag(busybox, latest), true)
      assert.equal(await digestOfLatest(), undefined)
      assert.deepEqual((await store.content.listTags(busybox, everything))?.items, ['stable'])
      assert.equal((await store.content.findManifest(busybox, first.descriptor.digest))?.descriptor.size, first.descriptor.size)
    })

    it('tags are listed sorted and in pages', async () => {
      await using store = await openStore(kind, { maxTags: 3 })
      await putImage(store.content, busybox, 'b', 'a', 'B', '1', '_')
      const page = async (n: number | undefined, last: string | undefined) => store.content.listTags(busybox, { n, last })
      assert.deepEqual(await page(2, undefined), { items: ['1', 'B'], more: true })
      assert.deepEqual(await page(2, 'B'), { items: ['_', 'a'], more: true })
      assert.deepEqual(await page(2, 'a'), { items: ['b'], more: false })
      assert.deepEqual(await page(undefined, undefined), { items: ['1', 'B', '_'], more: true })
      assert.deepEqual(await page(0, undefined), { items: [], more: false })
    })

    it('what is no tag is not listed, and a repository of layers alone is known', async () => {
      await using store = await openStore(kind)
      await putImage(store.content, busybox, 'latest')
      await store.driver.write(`${layout.tagsFolder(busybox)}/.hidden`, Buffer.from('x'))
      assert.deepEqual((await store.content.listTags(busybox, everything))?.items, ['latest'])
      await putBlob(store.content, nginx, Buffer.from('layer'))
      assert.deepEqual(await store.content.listTags(nginx, everything), { items: [], more: false })
    })

    it('a name that distribution could not walk over is refused, and makes no folder', async () => {
      await using store = await openStore(kind)
      const name = parseRepositoryName('localhost:5000/busybox')
      await assert.rejects(store.content.putManifest(name, manifestNamed('a')), { code: 'NAME_INVALID' })
      await assert.rejects(store.content.findManifest(name, latest), { code: 'NAME_INVALID' })
      await assert.rejects(store.content.findBlob(name, absent), { code: 'NAME_INVALID' })
      await assert.rejects(store.content.listTags(name, everything), { code: 'NAME_INVALID' })
      assert.equal(await store.driver.list('/docker'), undefined)
    })
  })
}

it('a tag enters its index before it moves, so that no pullable tag is missing there', async () => {
  await using store = await openStore('inmemory')
  const watched = watchedDriver(store.driver)
  const { descriptor } = await putImage(contentOver(watched.driver), busybox, 'latest')
  const writes = watched.calls.filter((call) => call.startsWith('write ')).map((call) => call.slice(6))
  assert.deepEqual(writes, [
    layout.blobDataPath(descriptor.digest),
    layout.revisionLinkPath(busybox, descriptor.digest),
    layout.indexLinkPath(busybox, latest, descriptor.digest),
    layout.currentLinkPath(busybox, latest),
  ])
})

it('what is right already is not written again', async () => {
  await using store = await openStore('inmemory')
  const watched = watchedDriver(store.driver)
  const content = contentOver(watched.driver)
  await putImage(content, busybox, 'latest')
  watched.calls.length = 0
  await putImage(content, busybox, 'latest')
  assert.deepEqual(
    watched.calls.filter((call) => /^(write|remove|move)/.test(call)),
    [],
  )
})

it('trouble with the disk is thrown with what was attempted, and its cause', async () => {
  await using store = await openStore('inmemory')
  const { descriptor, bytes } = await putImage(store.content, busybox, 'latest')
  const blob = await putBlob(store.content, busybox, Buffer.from('layer'))
  const cause = Object.assign(new Error('EIO: i/o error'), { code: 'EIO' })
  const { driver } = watchedDriver(store.driver, (call) => (call.startsWith('localFile') ? undefined : cause))
  const broken = contentOver(driver)
  const tag = parseTag('new')
  const { digest } = descriptor
  const attempts: [Promise<unknown>, RegExp][] = [
    [broken.findManifest(busybox, digest), /reading manifest sha256:\w+ of library\/busybox/],
    [broken.findManifest(busybox, latest), /reading tag latest of library\/busybox/],
    [broken.putManifest(busybox, { descriptor, bytes }), /keeping manifest sha256:/],
    [broken.putTag(busybox, tag, digest), /pointing tag new of library\/busybox at sha256:/],
    [broken.removeTag(busybox, latest), /removing tag latest/],
    [broken.findBlob(busybox, blob), /looking for blob sha256:\w+ of library\/busybox/],
    [broken.statBlob(blob), /looking for blob sha256:/],
    [broken.linkBlob(busybox, blob), /looking for blob sha256:/],
    [broken.adoptBlob(busybox, blob, 'x'), /keeping blob sha256:/],
    [broken.listTags(busybox, everything), /listing the tags of library\/busybox/],
    [broken.listRepositories(everything, never), /listing the repositories/],
  ]
  for (const [attempt, message] of attempts) await assert.rejects(attempt, { message, cause })
})

it('a blob that breaks in the middle throws what was attempted; one whose reader leaves, the reason', async () => {
  await using store = await openStore('filesystem')
  const blob = await putBlob(store.content, busybox, Buffer.alloc(3_000_000, 'layer'))
  const cause = new Error('EIO: i/o error')
  const broken = contentOver(watchedDriver(store.driver, (call) => (call.startsWith('open') ? cause : undefined)).driver)
  const handle = await broken.findBlob(busybox, blob)
  await assert.rejects(collect(handle?.open(undefined, never)), { message: `reading blob ${blob}`, cause })
  const reason = new Error('the client left')
  const whole = await store.content.findBlob(busybox, blob)
  await assert.rejects(collect(whole?.open(undefined, AbortSignal.abort(reason))), reason)
})
