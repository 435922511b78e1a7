// Which manifests point at a subject: listed at once, found again without an index, gone with the manifest.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type Digest, digestOf } from '../../src/oci/digest.ts'
import { mediaTypes } from '../../src/oci/media-types.ts'
import { parseTag, type RepositoryName } from '../../src/oci/names.ts'
import type { StorageDriver } from '../../src/store/driver.ts'
import * as layout from '../../src/store/layout.ts'
import type { LocalContent } from '../../src/store/local-content.ts'
import { TestClock } from '../support/clock.ts'
import {
  busybox,
  contentOver,
  descriptorOf,
  type ExampleManifest,
  manifestWith,
  nginx,
  openStore,
  push,
  pushBlob,
  pushImage,
} from './example-content.ts'
import { watchedDriver } from './watched-driver.ts'

const config = Buffer.from('{}')

function referrerTo(subject: ExampleManifest, fields: object = {}): ExampleManifest {
  return manifestWith({
    mediaType: mediaTypes.ociManifest,
    config: descriptorOf(config, 'application/vnd.example.config+json'),
    layers: [],
    subject: subject.descriptor,
    ...fields,
  })
}

interface Listed {
  readonly schemaVersion: number
  readonly mediaType: string
  readonly manifests: readonly object[]
}

async function list(content: LocalContent, subject: Digest, repository: RepositoryName = busybox, artifactType?: string) {
  const found = await content.listReferrers(repository, subject, artifactType)
  return found === undefined ? undefined : (JSON.parse(Buffer.from(found.bytes).toString()) as Listed)
}

async function storeWithImage(kind: 'filesystem' | 'inmemory' = 'filesystem') {
  const store = await openStore(kind)
  const image = await pushImage(store.content, busybox, 'image', 'latest')
  await pushBlob(store.content, busybox, config)
  return { ...store, image, subject: image.descriptor.digest }
}

const byDigest = (one: { digest: string }, other: { digest: string }) => (one.digest < other.digest ? -1 : 1)

for (const kind of ['filesystem', 'inmemory'] as const) {
  describe(`referrers, ${kind}`, () => {
    it('are listed as an image index, with their artifact type and annotations', async () => {
      await using store = await storeWithImage(kind)
      const { content, image, subject } = store
      const signature = referrerTo(image, { artifactType: 'application/vnd.example.signature', annotations: { by: 'me' } })
      const plain = referrerTo(image)
      const index = manifestWith(
        { mediaType: mediaTypes.ociIndex, manifests: [], subject: image.descriptor, artifactType: 'x/index' },
        mediaTypes.ociIndex,
      )
      for (const manifest of [signature, plain, index]) assert.equal((await push(content, busybox, manifest)).subject, subject)
      const expected = [
        { ...signature.descriptor, artifactType: 'application/vnd.example.signature', annotations: { by: 'me' } },
        { ...plain.descriptor, artifactType: 'application/vnd.example.config+json' },
        { ...index.descriptor, artifactType: 'x/index' },
      ]
      for (const reader of [content, contentOver(store.driver)]) {
        const listed = { schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests: expected.toSorted(byDigest) }
        assert.deepEqual(await list(reader, subject), listed)
      }
    })

    it('are filtered by artifact type, and the answer says so', async () => {
      await using store = await storeWithImage(kind)
      const { content, image, subject } = store
      const [first, second] = [referrerTo(image, { artifactType: 'x/a' }), referrerTo(image, { artifactType: 'x/b' })]
      for (const manifest of [first, second]) await push(content, busybox, manifest)
      const filtered = await content.listReferrers(busybox, subject, 'x/b')
      assert.equal(filtered?.filtersApplied, 'artifactType')
      assert.deepEqual((await list(content, subject, busybox, 'x/b'))?.manifests, [{ ...second.descriptor, artifactType: 'x/b' }])
      assert.deepEqual((await list(content, subject, busybox, 'x/c'))?.manifests, [])
      assert.equal((await content.listReferrers(busybox, subject, undefined))?.filtersApplied, undefined)
    })

    it('of a subject that has none are an empty index; of a repository that is not known, nothing', async () => {
      await using store = await storeWithImage(kind)
      assert.deepEqual(await list(store.content, store.subject), { schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests: [] })
      assert.equal(await list(store.content, store.subject, nginx), undefined)
    })

    it('may come before their subject, and belong to their own repository', async () => {
      await using store = await storeWithImage(kind)
      const early = referrerTo(manifestWith({ never: 'pushed' }))
      await push(store.content, busybox, early)
      const subject = digestOf(manifestWith({ never: 'pushed' }).bytes)
      assert.equal((await list(store.content, subject))?.manifests.length, 1)
      await pushImage(store.content, nginx, 'image')
      assert.deepEqual((await list(store.content, subject, nginx))?.manifests, [])
    })

    it('go with their manifest, and come back with it', async () => {
      await using store = await storeWithImage(kind)
      const { content, image, subject } = store
      const referrer = referrerTo(image)
      await push(content, busybox, referrer)
      assert.equal((await list(content, subject))?.manifests.length, 1)
      await content.removeManifest(busybox, referrer.descriptor.digest)
      assert.deepEqual((await list(content, subject))?.manifests, [])
      assert.equal(await store.driver.stat(layout.referrerPath(busybox, subject, referrer.descriptor.digest)), undefined)
      await push(content, busybox, referrer)
      assert.equal((await list(content, subject))?.manifests.length, 1)
    })

    it('are found when the index is lost, and when somebody else kept them without it', async () => {
      await using store = await storeWithImage(kind)
      const { content, image, subject, driver } = store
      await push(content, busybox, referrerTo(image))
      await driver.remove('/entrepot/referrers')
      assert.equal((await list(contentOver(driver), subject))?.manifests.length, 1)
      assert.equal((await list(content, subject))?.manifests.length, 1)
      await keepWithoutIndex(driver, referrerTo(image, { annotations: { by: 'another program' } }))
      for (const reader of [content, contentOver(driver)]) assert.equal((await list(reader, subject))?.manifests.length, 2)
    })
  })
}

/** As a program that knows of no referrers does. */
async function keepWithoutIndex(driver: StorageDriver, { descriptor, bytes }: ExampleManifest): Promise<void> {
  await driver.write(layout.blobDataPath(descriptor.digest), bytes)
  await driver.write(layout.revisionLinkPath(busybox, descriptor.digest), Buffer.from(descriptor.digest))
}

it('a repository in which nothing has changed is not looked through again, also by a new process', async () => {
  await using store = await storeWithImage()
  const { driver, image, subject } = store
  const clock = new TestClock()
  const revisions = layout.revisionsFolder(busybox, 'sha256')
  for (let index = 0; index < 30; index += 1) await pushImage(store.content, busybox, `image ${index}`)
  await push(store.content, busybox, referrerTo(image))
  clock.advance(60_000)
  assert.equal((await list(contentOver(driver, { clock }), subject))?.manifests.length, 1)
  clock.advance(60_000)
  const watched = watchedDriver(driver)
  assert.equal((await list(contentOver(watched.driver, { clock }), subject))?.manifests.length, 1)
  assert.ok(!watched.calls.includes(`list ${revisions}`))
  assert.equal(watched.calls.filter((call) => call.startsWith(`read ${layout.blobsFolder}`)).length, 1)
})

describe('the tag at which clients without the API look for referrers', () => {
  const tagOf = (subject: Digest) => parseTag(subject.replace(':', '-'))

  it('is made up where nobody pushed it, and is found by its digest, too', async () => {
    await using store = await storeWithImage()
    const { content, image, subject } = store
    const tag = tagOf(subject)
    assert.equal(await content.findManifest(busybox, tag), undefined)
    await push(content, busybox, referrerTo(image))
    const found = await content.findManifest(busybox, tag)
    assert.equal(found?.descriptor.mediaType, mediaTypes.ociIndex)
    assert.equal(digestOf(found.bytes), found.descriptor.digest)
    assert.deepEqual(JSON.parse(Buffer.from(found.bytes).toString()), await list(content, subject))
    assert.deepEqual((await content.findManifest(busybox, found.descriptor.digest))?.descriptor, found.descriptor)
    assert.equal(await content.findManifest(nginx, found.descriptor.digest), undefined)
    assert.deepEqual((await content.listTags(busybox, { n: undefined, last: undefined }))?.items, ['latest'])
  })

  it('is what was pushed, where it was pushed', async () => {
    await using store = await storeWithImage()
    const { content, image, subject } = store
    await push(content, busybox, referrerTo(image))
    const pushed = manifestWith({ mediaType: mediaTypes.ociIndex, manifests: [] }, mediaTypes.ociIndex)
    await push(content, busybox, pushed, tagOf(subject))
    assert.equal((await content.findManifest(busybox, tagOf(subject)))?.descriptor.digest, pushed.descriptor.digest)
  })

  it('has the first 64 digits of a digest that is longer', async () => {
    await using store = await storeWithImage()
    const { content, image } = store
    const subject = digestOf(image.bytes, 'sha512')
    const tag = parseTag(`sha512-${subject.slice(7, 7 + 64)}`)
    assert.equal(await content.findManifest(busybox, tag), undefined)
    const referrer = referrerTo({ ...image, descriptor: { ...image.descriptor, digest: subject } })
    await push(content, busybox, referrer)
    const found = await content.findManifest(busybox, tag)
    assert.deepEqual(
      JSON.parse(Buffer.from(found?.bytes ?? '').toString()).manifests.map(({ digest }: { digest: string }) => digest),
      [referrer.descriptor.digest],
    )
    assert.equal(await content.findManifest(busybox, parseTag(`sha512-${subject.slice(7, 7 + 63)}`)), undefined)
  })

  it('is no other tag that looks alike', async () => {
    await using store = await storeWithImage()
    await push(store.content, busybox, referrerTo(store.image))
    for (const tag of [`${tagOf(store.subject)}.sig`, 'sha256-abc', 'sha1-abc']) {
      assert.equal(await store.content.findManifest(busybox, parseTag(tag)), undefined, tag)
    }
  })
})
