// A pull of each kind of image that Docker Hub serves: first through to the Hub, byte for byte, then from the store alone.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { artifact, digestOf, dockerImage, dockerList, type Image, nestedIndex, ociImage, ociIndex } from '../support/images.ts'
import { errorCodeOf } from '../support/pull.ts'
import { assertSound } from '../support/store-tree.ts'
import { type Scene, bytesOf, startScene } from './scene.ts'

const foreignUrls = ['https://layers.example.com/one']

const kinds: readonly (readonly [string, Image])[] = [
  ['an OCI image', ociImage({ seed: 1, layers: 3 })],
  ['a Docker image', dockerImage({ seed: 2, layers: 2 })],
  ['an OCI index with attestations', ociIndex({ seed: 3 })],
  ['a Docker list', dockerList({ seed: 4 })],
  ['a nested index', nestedIndex({ seed: 5 })],
  ['an artifact', artifact({ seed: 6 })],
  ['an image with an empty layer', dockerImage({ seed: 7, emptyLayer: true })],
  ['an image with a layer of no bytes', ociImage({ seed: 8, zeroByteBlob: true })],
  ['an image with a foreign layer', dockerImage({ seed: 9, foreignUrls })],
  ['an image with layers of several megabytes', ociImage({ seed: 10, layers: 2, layerBytes: 3_000_000 })],
]

function imagesIn(image: Image): Image[] {
  return [image, ...image.children.flatMap(imagesIn)]
}

function blobsIn(image: Image) {
  return new Map(imagesIn(image).flatMap(({ blobs }) => [...blobs]))
}

async function pullImage(scene: Scene, image: Image): Promise<void> {
  for (const { manifest } of imagesIn(image)) {
    for (const method of ['HEAD', 'GET'] as const) {
      const reply = await scene.manifest('library/some', manifest.digest, { method })
      assert.equal(reply.status, 200)
      assert.equal(reply.headers['content-type'], manifest.mediaType)
      assert.equal(reply.headers['content-length'], String(manifest.bytes.length))
      assert.equal(reply.headers['docker-content-digest'], manifest.digest)
      if (method === 'GET') assert.deepEqual(reply.body, manifest.bytes)
    }
  }
  for (const [digest, blob] of blobsIn(image)) {
    const reply = await scene.blob('library/some', digest)
    assert.deepEqual([reply.status, reply.ending, reply.headers['content-length']], [200, 'whole', String(blob.size)])
    assert.equal(digestOf(reply.body), digest)
    assert.deepEqual(reply.body, await bytesOf(blob))
  }
}

for (const [kind, image] of kinds) {
  test(`${kind} is pulled through once, then served from the store`, async () => {
    await using scene = await startScene()
    const { hub, registry } = scene
    hub.add('some', image, { tags: ['1'] })

    const first = await scene.manifest('library/some', '1')
    assert.deepEqual([first.status, first.headers['x-cache']], [200, 'miss'])
    assert.deepEqual(first.body, image.manifest.bytes)
    await pullImage(scene, image)
    for (const digest of blobsIn(image).keys()) await scene.kept('library/some', digest)
    for (const { manifest } of imagesIn(image)) {
      assert.equal(hub.count({ kind: 'manifest', method: 'GET', digest: manifest.digest, status: 200 }), 1, hub.describeLedger())
    }
    for (const digest of blobsIn(image).keys()) {
      assert.equal(hub.count({ kind: 'cdn', digest, status: [200, 206] }), 1, hub.describeLedger())
    }

    hub.clearLedger()
    const again = await scene.manifest('library/some', '1')
    assert.deepEqual([again.status, again.headers['x-cache']], [200, 'revalidated'])
    await pullImage(scene, image)
    const asked = hub.ledger.map(({ method, kind, reference }) => `${method} ${kind} ${reference}`)
    assert.deepEqual(asked, ['HEAD manifest 1'], 'all that the second pull asked of the Hub')
    await assertSound(registry.folder)
  })
}

test('a foreign layer is not the Hub’s to give: 404', async () => {
  await using scene = await startScene()
  const image = dockerImage({ seed: 9, foreignUrls })
  scene.hub.add('some', image, { tags: ['1'] })
  const { layers } = JSON.parse(image.manifest.bytes.toString()) as { layers: { digest: string; urls?: string[] }[] }
  const foreign = layers.find(({ urls }) => urls !== undefined)
  assert.ok(foreign)
  for (const method of ['GET', 'HEAD'] as const) {
    const reply = await scene.blob('library/some', foreign.digest, { method })
    assert.equal(reply.status, 404)
    if (method === 'GET') assert.equal(errorCodeOf(reply), 'BLOB_UNKNOWN')
  }
  await assertSound(scene.registry.folder)
})

test('a name of one component is an official image where the upstream is Docker Hub', async () => {
  await using scene = await startScene({ proxy: { libraryprefix: true } })
  const image = ociImage({ seed: 1 })
  scene.hub.add('library/some', image, { tags: ['1'] })
  assert.equal((await scene.manifest('some', '1')).headers['x-cache'], 'miss')
  assert.equal((await scene.manifest('library/some', image.manifest.digest)).headers['x-cache'], 'hit')
  assert.equal((await scene.manifest('some', image.manifest.digest)).headers['x-cache'], 'hit')
  assert.equal(scene.hub.count({ kind: 'manifest', method: 'GET', status: 200 }), 1)
})

test('a digest that was asked for by HEAD only is described, not brought in', async () => {
  await using scene = await startScene()
  const image = ociImage({ seed: 1 })
  scene.hub.add('some', image, { tags: ['1'] })
  const reply = await scene.manifest('library/some', image.manifest.digest, { method: 'HEAD' })
  assert.deepEqual([reply.status, reply.headers['content-length']], [200, String(image.manifest.bytes.length)])
  assert.equal(scene.hub.count({ kind: 'manifest', method: 'GET' }), 0)
  assert.equal(scene.hub.quotaUsed(), 0)
})
