// Upstream sends manifests that are none, or others than were asked for. They are never served and never kept.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Fault } from '../support/hub/hub.ts'
import { ociImage } from '../support/images.ts'
import { errorCodeOf, outcomeOf } from '../support/pull.ts'
import { assertSound, keptBlobs } from '../support/store-tree.ts'
import { type Scene, startScene } from './scene.ts'

const repository = 'library/some'
const image = ociImage({ seed: 'manifest' })
const { digest } = image.manifest
const right = [200, 'miss', 'whole', digest]

async function startManifestScene(fault: Fault): Promise<Scene> {
  const scene = await startScene()
  scene.hub.add(repository, image, { tags: ['1'] })
  // The first GET of a scope is challenged; the fault is for the one that brings a token.
  scene.hub.script([{ on: { kind: 'manifest', method: 'GET', where: ({ headers }) => headers.authorization !== undefined }, ...fault }])
  return scene
}

const wrongs: readonly (readonly [string, Fault])[] = [
  ['wrong bytes', { wrongBytes: true }],
  ['truncated bytes', { truncateTo: 200 }],
  ['a page for people', { html200: true }],
  ['more than four megabytes', { tooLarge: true }],
  ['another digest in its header', { wrongDigestHeader: true }],
  ['bytes that are cut off', { cutAfterBytes: 100 }],
  ['no bytes', { truncateTo: 0 }],
  [
    'bytes that are JSON, but no manifest',
    { body: '{"hello":"world"}', headers: { 'Content-Type': 'application/json', 'Docker-Content-Digest': undefined } },
  ],
]
for (const [what, fault] of wrongs) {
  for (const reference of ['1', digest]) {
    test(`a manifest of ${what}, by ${reference === '1' ? 'tag' : 'digest'}: 502, nothing kept, the next one right`, async () => {
      await using scene = await startManifestScene(fault)
      const reply = await scene.manifest(repository, reference)
      assert.deepEqual([reply.status, errorCodeOf(reply)], [502, 'UNAVAILABLE'])
      assert.deepEqual(await keptBlobs(scene.registry.folder), [])
      await assertSound(scene.registry.folder)
      assert.deepEqual(scene.hub.unusedRules(), [])
      assert.deepEqual(outcomeOf(await scene.manifest(repository, reference)), right)
    })
  }
}

const harmless: readonly (readonly [string, Fault])[] = [
  ['no Docker-Content-Digest', { noDigestHeader: true }],
  ['no Content-Type', { noContentType: true }],
  ['no Content-Length', { noContentLength: true }],
]
for (const [what, fault] of harmless) {
  test(`a manifest with ${what} is served with its own`, async () => {
    await using scene = await startManifestScene(fault)
    const reply = await scene.manifest(repository, '1')
    assert.deepEqual(outcomeOf(reply), right)
    assert.deepEqual(
      [reply.headers['content-type'], reply.headers['docker-content-digest'], reply.headers['content-length']],
      [image.manifest.mediaType, digest, String(image.manifest.bytes.length)],
    )
    const again = await scene.manifest(repository, digest)
    assert.deepEqual([again.headers['x-cache'], again.headers['content-type']], ['hit', image.manifest.mediaType])
  })
}

const poorHeads: readonly (readonly [string, Fault])[] = [
  ['without Docker-Content-Digest', { noDigestHeader: true }],
  ['without Content-Type', { noContentType: true }],
  ['without Content-Length', { noContentLength: true }],
  ['of a page for people', { html200: true }],
]
for (const [what, fault] of poorHeads) {
  test(`a HEAD ${what} is followed by a GET, and the answer to HEAD is complete`, async () => {
    await using scene = await startScene({ hub: { auth: 'none' } })
    scene.hub.add(repository, image, { tags: ['1'] })
    scene.hub.script([{ on: { kind: 'manifest', method: 'HEAD' }, ...fault }])
    const reply = await scene.manifest(repository, '1', { method: 'HEAD' })
    assert.deepEqual(
      [reply.status, reply.headers['content-type'], reply.headers['docker-content-digest'], reply.headers['content-length']],
      [200, image.manifest.mediaType, digest, String(image.manifest.bytes.length)],
    )
    assert.equal(scene.hub.count({ kind: 'manifest', method: 'GET' }), 1)
    // What came along is kept.
    assert.equal((await scene.manifest(repository, digest)).headers['x-cache'], 'hit')
  })
}
