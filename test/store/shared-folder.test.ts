// One folder, two registries: what ours keeps, Debian's docker-registry serves, and the other way round, while both run.
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { systemClock } from '../../src/lib/clock.ts'
import { type Digest, digestOf, parseDigest } from '../../src/oci/digest.ts'
import { parseRepositoryName, parseTag } from '../../src/oci/names.ts'
import { MemoryDescriptorCache } from '../../src/store/descriptors/memory.ts'
import { FilesystemDriver } from '../../src/store/drivers/filesystem.ts'
import * as layout from '../../src/store/layout.ts'
import type { LocalContent } from '../../src/store/local-content.ts'
import { acceptAll, dockerImage, type Image, indexOf, ociImage } from '../support/images.ts'
import { needsPackages } from '../support/packages.ts'
import { type DockerRegistry, startDockerRegistry } from '../support/servers/docker-registry.ts'
import { pushImage } from '../support/servers/push.ts'
import { collect, contentOver, never, putBlob } from './example-content.ts'

const suite = 'a folder shared with docker-registry'
const everything = { n: undefined, last: undefined }
const images: Record<string, Image> = {
  'an OCI image': ociImage({ seed: 'shared oci', layers: 2, layerBytes: 40_000 }),
  'a Docker image': dockerImage({ seed: 'shared docker', emptyLayer: true }),
  'an index': indexOf([ociImage({ seed: 'shared arm' }), ociImage({ seed: 'shared amd' })]),
}

describe(suite, await needsPackages(suite, ['docker-registry']), () => {
  let root: string
  let driver: FilesystemDriver
  let content: LocalContent
  let registry: DockerRegistry

  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'entrepot-shared-'))
    driver = new FilesystemDriver({ root })
    content = contentOver(driver, { descriptorCache: new MemoryDescriptorCache({ clock: systemClock }) })
    registry = await startDockerRegistry({ storageFolder: root })
  })
  after(async () => {
    await registry?.[Symbol.asyncDispose]()
    await rm(root, { recursive: true, force: true })
  })

  /** Asks docker-registry. */
  async function ask(path: string): Promise<{ status: number; type: string | null; digest: string | null; bytes: Buffer }> {
    const answer = await fetch(`${registry.url}/v2/${path}`, { headers: { accept: acceptAll } })
    const { status, headers } = answer
    const bytes = Buffer.from(await answer.arrayBuffer())
    return { status, type: headers.get('content-type'), digest: headers.get('docker-content-digest'), bytes }
  }

  for (const [what, image] of Object.entries(images)) {
    const name = what.replaceAll(' ', '-').toLowerCase()

    it(`${what} that ours keeps is pulled from docker-registry`, async () => {
      const repository = parseRepositoryName(`ours/${name}`)
      await keep(content, repository, image)
      await content.putTag(repository, parseTag('latest'), parseDigest(image.manifest.digest))
      for (const reference of ['latest', image.manifest.digest]) {
        const got = await ask(`${repository}/manifests/${reference}`)
        assert.equal(got.status, 200)
        assert.ok(got.bytes.equals(image.manifest.bytes))
        assert.equal(got.type, image.manifest.mediaType)
        assert.equal(got.digest, image.manifest.digest)
      }
      for (const digest of blobsOf(image)) assert.equal(digestOf((await ask(`${repository}/blobs/${digest}`)).bytes), digest)
    })

    it(`${what} that was pushed to docker-registry is found by ours`, async () => {
      const repository = parseRepositoryName(`theirs/${name}`)
      assert.equal(await content.findManifest(repository, parseTag('latest')), undefined)
      await pushImage(registry, repository, image, ['latest'])
      for (const reference of [parseTag('latest'), parseDigest(image.manifest.digest)]) {
        const found = await content.findManifest(repository, reference)
        assert.ok(image.manifest.bytes.equals(found?.bytes ?? Buffer.alloc(0)))
        assert.equal(found?.descriptor.mediaType, image.manifest.mediaType)
      }
      for (const digest of blobsOf(image)) {
        const handle = await content.findBlob(repository, digest)
        assert.equal(digestOf((await collect(handle?.open(undefined, never))) ?? Buffer.alloc(0)), digest)
      }
    })
  }

  it('a tag that one moves, the other sees moved', async () => {
    const repository = parseRepositoryName('both/moving')
    const [first, second] = [ociImage({ seed: 'first' }), ociImage({ seed: 'second' })]
    const tag = parseTag('latest')
    await keep(content, repository, first)
    await content.putTag(repository, tag, parseDigest(first.manifest.digest))
    assert.equal((await ask(`${repository}/manifests/latest`)).digest, first.manifest.digest)
    await pushImage(registry, repository, second, ['latest'])
    assert.equal((await content.findManifest(repository, tag))?.descriptor.digest, second.manifest.digest)
    await content.putTag(repository, tag, parseDigest(first.manifest.digest))
    assert.equal((await ask(`${repository}/manifests/latest`)).digest, first.manifest.digest)
  })

  it('a manifest that docker-registry deletes is gone here after a second at most, with its tag', async () => {
    const repository = parseRepositoryName('both/deleted')
    const image = ociImage({ seed: 'deleted' })
    let now = 1_000_000
    const watching = contentOver(driver, { clock: { ...systemClock, now: () => now } })
    await pushImage(registry, repository, image, ['latest'])
    const digest = parseDigest(image.manifest.digest)
    assert.notEqual(await watching.findManifest(repository, digest), undefined)
    assert.equal((await fetch(`${registry.url}/v2/${repository}/manifests/${digest}`, { method: 'DELETE' })).status, 202)
    now += 1000
    assert.equal(await watching.findManifest(repository, digest), undefined)
    assert.equal(await watching.findManifest(repository, parseTag('latest')), undefined)
    assert.deepEqual(await watching.listTags(repository, everything), { items: [], more: false })
  })

  it('a tag that ours removes is gone there, and its manifest stays', async () => {
    const repository = parseRepositoryName('both/untagged')
    const image = ociImage({ seed: 'untagged' })
    await pushImage(registry, repository, image, ['gone', 'stays'])
    assert.equal(await content.removeTag(repository, parseTag('gone')), true)
    assert.equal((await ask(`${repository}/manifests/gone`)).status, 404)
    assert.equal((await ask(`${repository}/manifests/${image.manifest.digest}`)).status, 200)
    const tags = JSON.parse((await ask(`${repository}/tags/list`)).bytes.toString()) as { tags: string[] }
    assert.deepEqual(tags.tags, ['stays'])
  })

  it('an empty link, for which docker-registry answers 500, is healed by ours for both', async () => {
    const repository = parseRepositoryName('both/broken')
    const image = ociImage({ seed: 'broken' })
    const digest = parseDigest(image.manifest.digest)
    await pushImage(registry, repository, image, ['latest'])
    await driver.write(layout.currentLinkPath(repository, parseTag('latest')), new Uint8Array())
    assert.equal((await ask(`${repository}/manifests/latest`)).status, 500)
    assert.equal(await content.findManifest(repository, parseTag('latest')), undefined)
    await content.putTag(repository, parseTag('latest'), digest)
    assert.equal((await ask(`${repository}/manifests/latest`)).digest, digest)
  })

  it('both list the same tags, also while ours has a write unfinished', async () => {
    const repository = parseRepositoryName('both/tags')
    const image = ociImage({ seed: 'tags' })
    await keep(content, repository, image)
    for (const tag of ['b', 'a', 'C']) await content.putTag(repository, parseTag(tag), parseDigest(image.manifest.digest))
    await pushImage(registry, repository, image, ['1.0', 'z'])
    await driver.write(`${layout.currentLinkPath(repository, parseTag('a'))}.0b3f8a52-9c1d-4e7a-8f60-2d5b6c7e8a91.tmp`, Buffer.from('sha'))
    const theirs = JSON.parse((await ask(`${repository}/tags/list`)).bytes.toString()) as { tags: string[] }
    const ours = await content.listTags(repository, everything)
    assert.deepEqual(ours?.items, ['1.0', 'C', 'a', 'b', 'z'])
    assert.deepEqual(theirs.tags.sort(), ours.items)
  })

  it('both list the same repositories in the same order', async () => {
    for (const name of ['order/a', 'order/a/b', 'order/a-b', 'order/a.b', 'order/a_b', 'order-x']) {
      await putBlob(content, parseRepositoryName(name), Buffer.from(name))
    }
    const theirs = JSON.parse((await ask('_catalog?n=1000')).bytes.toString()) as { repositories: string[] }
    const ours = await content.listRepositories({ n: 1000, last: undefined }, never)
    assert.ok(ours.items.length > 10)
    assert.deepEqual(theirs.repositories, ours.items)
    for (const last of ['order/a', 'order/a/b', 'order/a-b', 'order']) {
      const page = JSON.parse((await ask(`_catalog?n=3&last=${last}`)).bytes.toString()) as { repositories: string[] }
      assert.deepEqual((await content.listRepositories({ n: 3, last }, never)).items, page.repositories, `after ${last}`)
    }
  })
})

/** Puts all of the image, children first, as the mirror does. */
async function keep(content: LocalContent, repository: ReturnType<typeof parseRepositoryName>, image: Image): Promise<void> {
  for (const child of image.children) await keep(content, repository, child)
  for (const blob of image.blobs.values()) {
    const parts: Uint8Array[] = []
    for await (const part of blob.read(0, blob.size)) parts.push(part)
    await putBlob(content, repository, Buffer.concat(parts))
  }
  const { bytes, mediaType, digest } = image.manifest
  await content.putManifest(repository, { descriptor: { mediaType, digest: parseDigest(digest), size: bytes.length }, bytes })
}

function blobsOf(image: Image): Digest[] {
  return [...image.blobs.keys()].map(parseDigest).concat(image.children.flatMap(blobsOf))
}
