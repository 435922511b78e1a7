// Manifests, tags and blobs that are pushed, mounted and removed, over each driver.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { systemClock } from '../../src/lib/clock.ts'
import { type Digest, digestOf } from '../../src/oci/digest.ts'
import { RegistryErrors } from '../../src/oci/errors.ts'
import { mediaTypes } from '../../src/oci/media-types.ts'
import { parseTag } from '../../src/oci/names.ts'
import { MemoryDescriptorCache } from '../../src/store/descriptors/memory.ts'
import * as layout from '../../src/store/layout.ts'
import { defaultManifestRules, type ManifestRules } from '../../src/store/manifest-references.ts'
import {
  busybox,
  contentOver,
  descriptorOf,
  type ExampleManifest,
  latest,
  manifestWith,
  nginx,
  openStore,
  push,
  pushBlob,
  pushImage,
  stable,
} from './example-content.ts'
import { watchedDriver } from './watched-driver.ts'

const everything = { n: undefined, last: undefined }
const [config, layer] = [Buffer.from('{}'), Buffer.from('layer')]
const image = manifestWith({ mediaType: mediaTypes.ociManifest, config: descriptorOf(config), layers: [descriptorOf(layer)] })

function indexOver(...children: readonly (ExampleManifest | { readonly descriptor: object })[]): ExampleManifest {
  const manifests = children.map(({ descriptor }) => descriptor)
  return manifestWith({ mediaType: mediaTypes.ociIndex, manifests }, mediaTypes.ociIndex)
}

/** What was found missing, in the order of being told. */
async function missingOf(pushing: Promise<unknown>): Promise<unknown[]> {
  const error = await pushing.then(
    () => assert.fail('it was kept'),
    (error: unknown) => error,
  )
  assert.ok(error instanceof RegistryErrors)
  for (const { code } of error.errors) assert.equal(code, 'MANIFEST_BLOB_UNKNOWN')
  return error.errors.map(({ detail }) => detail)
}

for (const kind of ['filesystem', 'inmemory'] as const) {
  describe(`pushing, ${kind}`, () => {
    it('an image is kept with its tags, and its type', async () => {
      await using store = await openStore(kind)
      const { content } = store
      for (const bytes of [config, layer]) await pushBlob(content, busybox, bytes)
      const kept = await push(content, busybox, image, 'latest', 'stable')
      assert.deepEqual(kept, { descriptor: image.descriptor, subject: undefined })
      for (const reader of [content, contentOver(store.driver)]) {
        for (const reference of [image.descriptor.digest, latest, stable]) {
          const found = await reader.findManifest(busybox, reference)
          assert.deepEqual(found?.descriptor, image.descriptor)
          assert.ok(Buffer.from(image.bytes).equals(found.bytes))
        }
      }
    })

    it('a manifest is kept under the digest that it was pushed by, of whichever algorithm', async () => {
      await using store = await openStore(kind)
      const pushed = { bytes: indexOver().bytes, mediaType: mediaTypes.ociIndex }
      const digest = digestOf(pushed.bytes, 'sha512')
      const kept = await store.content.pushManifest(busybox, pushed, { expected: digest, tags: [latest] })
      assert.equal(kept.descriptor.digest, digest)
      assert.equal((await store.content.findManifest(busybox, latest))?.descriptor.digest, digest)
      const wrong = store.content.pushManifest(busybox, pushed, { expected: image.descriptor.digest, tags: [stable] })
      await assert.rejects(wrong, { code: 'DIGEST_INVALID' })
      assert.equal(await store.content.findManifest(busybox, stable), undefined)
      assert.equal(await store.content.findManifest(busybox, digestOf(pushed.bytes)), undefined)
    })

    it('what an image needs must be in its own repository; each that is not is told', async () => {
      await using store = await openStore(kind)
      const { content } = store
      const [first, second] = [descriptorOf(config).digest, descriptorOf(layer).digest]
      assert.deepEqual(await missingOf(push(content, busybox, image, 'latest')), [first, second])
      await pushBlob(content, nginx, config)
      await pushBlob(content, busybox, layer)
      assert.deepEqual(await missingOf(push(content, busybox, image, 'latest')), [first])
      assert.equal(await content.findManifest(busybox, latest), undefined)
      assert.equal(await content.findManifest(busybox, image.descriptor.digest), undefined)
      assert.equal((await content.mountBlob(busybox, first, nginx))?.size, config.length)
      assert.equal((await push(content, busybox, image, 'latest')).descriptor.digest, image.descriptor.digest)
    })

    it("an index needs its children as manifests of its repository; a child's bytes alone are not enough", async () => {
      await using store = await openStore(kind)
      const { content } = store
      const child = await pushImage(content, nginx, 'child')
      await pushBlob(content, busybox, child.bytes)
      const index = indexOver(child)
      assert.deepEqual(await missingOf(push(content, busybox, index)), [child.descriptor.digest])
      await pushImage(content, busybox, 'child')
      assert.equal((await push(content, busybox, index, 'latest')).descriptor.digest, index.descriptor.digest)
    })

    it('a removed manifest is gone at once, with its tags and with no others', async () => {
      await using store = await openStore(kind)
      const { content } = store
      const [gone, stays] = [
        await pushImage(content, busybox, 'gone', 'latest', 'v1'),
        await pushImage(content, busybox, 'stays', 'stable'),
      ]
      await push(content, busybox, stays, 'moved')
      await push(content, busybox, gone, 'moved')
      await push(content, busybox, stays, 'moved')
      assert.notEqual(await content.findManifest(busybox, gone.descriptor.digest), undefined)
      assert.deepEqual((await content.removeManifest(busybox, gone.descriptor.digest))?.toSorted(), [latest, 'v1'])
      assert.equal(await content.findManifest(busybox, gone.descriptor.digest), undefined)
      assert.equal(await content.findManifest(busybox, latest), undefined)
      assert.deepEqual((await content.listTags(busybox, everything))?.items, ['moved', 'stable'])
      assert.equal((await content.findManifest(busybox, parseTag('moved')))?.descriptor.digest, stays.descriptor.digest)
      assert.equal(await content.removeManifest(busybox, gone.descriptor.digest), undefined)
      assert.notEqual(await content.statBlob(gone.descriptor.digest), undefined)
      assert.equal((await push(content, busybox, gone, 'latest')).descriptor.digest, gone.descriptor.digest)
      assert.notEqual(await content.findManifest(busybox, latest), undefined)
    })

    it('a removed blob is gone from its repository at once, and from no other', async () => {
      await using store = await openStore(kind, { descriptorCache: new MemoryDescriptorCache({ clock: systemClock }) })
      const { content } = store
      const digest = await pushBlob(content, busybox, layer)
      await content.mountBlob(nginx, digest, busybox)
      assert.notEqual(await content.findBlob(busybox, digest), undefined)
      assert.equal(await content.removeBlob(busybox, digest), true)
      assert.equal(await content.findBlob(busybox, digest), undefined)
      assert.equal(await content.removeBlob(busybox, digest), false)
      assert.notEqual(await content.findBlob(nginx, digest), undefined)
      assert.equal(await content.mountBlob(busybox, digest, busybox), undefined)
    })

    it('a mount takes what its source has; without a source nothing, unless that is allowed', async () => {
      await using store = await openStore(kind)
      const digest = await pushBlob(store.content, nginx, layer)
      const absent = digestOf(Buffer.from('absent'))
      const generous = contentOver(store.driver, { mountsFromAnywhere: true })
      assert.equal(await store.content.mountBlob(busybox, digest, undefined), undefined)
      assert.equal(await store.content.mountBlob(busybox, absent, nginx), undefined)
      assert.equal(await generous.mountBlob(busybox, absent, undefined), undefined)
      assert.equal(await store.content.findBlob(busybox, digest), undefined)
      assert.deepEqual(await generous.mountBlob(busybox, digest, undefined), descriptorOf(layer))
      assert.notEqual(await store.content.findBlob(busybox, digest), undefined)
    })
  })
}

it('the order of keeping leaves nothing half-visible: bytes, link, referrers, index of the tag, tag', async () => {
  await using store = await openStore('inmemory')
  const watched = watchedDriver(store.driver)
  const subject = descriptorOf(Buffer.from('subject'), mediaTypes.ociManifest)
  const manifest = manifestWith({ mediaType: mediaTypes.ociIndex, manifests: [], subject }, mediaTypes.ociIndex)
  const { digest } = manifest.descriptor
  await push(contentOver(watched.driver), busybox, manifest, 'latest')
  assert.deepEqual(
    watched.calls.filter((call) => call.startsWith('write ')).map((call) => call.slice(6)),
    [
      layout.blobDataPath(digest),
      layout.revisionLinkPath(busybox, digest),
      layout.referrerPath(busybox, subject.digest, digest),
      layout.indexLinkPath(busybox, latest, digest),
      layout.currentLinkPath(busybox, latest),
    ],
  )
})

describe('rules for what a manifest points at', () => {
  const foreign = (urls: readonly string[], mediaType = 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip') =>
    manifestWith({ mediaType: mediaTypes.ociManifest, config: descriptorOf(config), layers: [{ ...descriptorOf(layer, mediaType), urls }] })
  const rules = (urls: Partial<ManifestRules['urls']>): ManifestRules => ({
    ...defaultManifestRules,
    urls: { allow: [], deny: [], ...urls },
  })
  const platform = (architecture: string) => ({
    descriptor: { ...descriptorOf(Buffer.from(architecture)), platform: { architecture, os: 'linux' } },
  })

  const cases: Record<string, [ExampleManifest, ManifestRules, 'kept' | readonly string[]]> = {
    'no URL is allowed by itself': [foreign(['https://a.example/x']), defaultManifestRules, ['MANIFEST_INVALID']],
    'an allowed URL needs no blob': [foreign(['https://a.example/x']), rules({ allow: [/^https:\/\/a\.example\//] }), 'kept'],
    'also of an OCI layer': [
      foreign(['https://a.example/x'], 'application/vnd.oci.image.layer.nondistributable.v1.tar'),
      rules({ allow: [/./] }),
      'kept',
    ],
    'an OCI layer that nobody may distribute is allowed by itself': [
      foreign(['https://a.example/x'], 'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip'),
      defaultManifestRules,
      'kept',
    ],
    'an OCI layer that may be distributed is not': [
      foreign(['https://a.example/x'], 'application/vnd.oci.image.layer.v1.tar+gzip'),
      defaultManifestRules,
      ['MANIFEST_INVALID'],
    ],
    'with rules they decide about each': [
      foreign(['https://a.example/x'], 'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip'),
      rules({ deny: [/./] }),
      ['MANIFEST_INVALID'],
    ],
    'every URL must be allowed': [foreign(['https://a.example/x', 'https://b/']), rules({ allow: [/a\.example/] }), ['MANIFEST_INVALID']],
    'a denied URL is refused': [foreign(['https://a.example/x']), rules({ allow: [/./], deny: [/a\.example/] }), ['MANIFEST_INVALID']],
    'with denials alone all others are allowed': [foreign(['https://a.example/x']), rules({ deny: [/b\.example/] }), 'kept'],
    'only http and https count': [foreign(['ftp://a.example/x']), rules({ allow: [/./] }), ['MANIFEST_INVALID']],
    'a fragment is refused': [foreign(['https://a.example/x#y']), rules({ allow: [/./] }), ['MANIFEST_INVALID']],
    'without URLs the blob must be there': [foreign([]), rules({ allow: [/./] }), ['MANIFEST_BLOB_UNKNOWN']],
    'URLs of other layers do not count': [foreign(['https://a.example/x'], 'x/y'), rules({ allow: [/./] }), ['MANIFEST_BLOB_UNKNOWN']],
    'every child must be there': [
      indexOver(platform('arm64'), platform('amd64')),
      defaultManifestRules,
      ['MANIFEST_BLOB_UNKNOWN', 'MANIFEST_BLOB_UNKNOWN'],
    ],
    'no child need be there': [indexOver(platform('arm64')), { ...defaultManifestRules, children: 'none' }, 'kept'],
    'children of listed platforms must be there': [
      indexOver(platform('arm64'), platform('amd64')),
      { ...defaultManifestRules, children: [{ architecture: 'amd64', os: 'linux' }] },
      ['MANIFEST_BLOB_UNKNOWN'],
    ],
    'nothing is looked for when that is switched off': [image, { ...defaultManifestRules, disabled: true }, 'kept'],
  }
  for (const [sentence, [manifest, manifestRules, outcome]] of Object.entries(cases)) {
    it(sentence, async () => {
      await using store = await openStore('inmemory', { manifestRules })
      if (manifest !== image) await pushBlob(store.content, busybox, config)
      const codes = await push(store.content, busybox, manifest).then(
        () => 'kept',
        (error: unknown) => (error instanceof RegistryErrors ? error.errors.map(({ code }) => code) : error),
      )
      assert.deepEqual(codes, outcome)
      assert.equal((await store.content.findManifest(busybox, manifest.descriptor.digest)) !== undefined, outcome === 'kept')
    })
  }
})

it('two writers of one tag: one of them wins, wholly', async () => {
  await using store = await openStore('filesystem')
  const images = await Promise.all(Array.from({ length: 6 }, (_, index) => pushImage(store.content, busybox, `image ${index}`)))
  const digests = new Set(images.map(({ descriptor }) => descriptor.digest))
  for (let turn = 0; turn < 5; turn += 1) {
    await Promise.all(images.map((manifest) => push(store.content, busybox, manifest, 'latest')))
    assert.ok(digests.has((await store.content.findManifest(busybox, latest))?.descriptor.digest as Digest))
  }
})
