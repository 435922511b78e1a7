import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { digestOf } from '../../src/oci/digest.ts'
import { codesOf, ociManifest, serveOwn, type Writing } from './writing.ts'

const blob = Buffer.from('a blob')
const blobDigest = digestOf(blob)
const manifest = Buffer.from('{"schemaVersion":2,"layers":[]}')
const manifestDigest = digestOf(manifest)
const other = digestOf(Buffer.from('other'))

function fill({ store }: Writing): void {
  store.blobs.set(`a/b@${blobDigest}`, blob)
  store.manifests.set(`a/b@${manifestDigest}`, { bytes: manifest, mediaType: ociManifest })
  store.tags.set('a/b:latest', manifestDigest)
}

const cases: [string, string, string, string][] = [
  ['a manifest by digest', `/v2/a/b/manifests/${manifestDigest}`, `/v2/a/b/manifests/${other}`, 'MANIFEST_UNKNOWN'],
  ['a tag', '/v2/a/b/manifests/latest', '/v2/a/b/manifests/gone', 'MANIFEST_UNKNOWN'],
  ['a blob', `/v2/a/b/blobs/${blobDigest}`, `/v2/a/b/blobs/${other}`, 'BLOB_UNKNOWN'],
]

describe('deleting', () => {
  for (const [what, there, gone, code] of cases) {
    it(`${what} is 202, of what is not there 404`, async () => {
      await using serving = await serveOwn()
      fill(serving)
      const answer = await serving.ask(there, { method: 'DELETE' })
      assert.deepEqual([answer.status, answer.headers['content-length'], answer.body.length], [202, '0', 0])
      for (const path of [there, gone, there.replace('/a/b/', '/a/c/')]) {
        const unknown = await serving.ask(path, { method: 'DELETE' })
        assert.deepEqual([unknown.status, codesOf(unknown)], [404, [code]])
      }
    })

    it(`${what} is 405 without storage.delete.enabled, there or not, and Allow tells what is possible`, async () => {
      await using serving = await serveOwn({ canDelete: false })
      fill(serving)
      for (const path of [there, gone]) {
        const answer = await serving.ask(path, { method: 'DELETE' })
        assert.deepEqual([answer.status, codesOf(answer)], [405, ['UNSUPPORTED']])
        assert.equal(answer.headers['allow'], path.includes('/blobs/') ? 'GET, HEAD' : 'GET, HEAD, PUT')
      }
      assert.deepEqual([serving.store.blobs.size, serving.store.manifests.size, serving.store.tags.size], [1, 1, 1])
    })
  }

  it('by tag leaves the manifest', async () => {
    await using serving = await serveOwn()
    fill(serving)
    await serving.ask('/v2/a/b/manifests/latest', { method: 'DELETE' })
    assert.deepEqual([serving.store.tags.size, serving.store.manifests.size], [0, 1])
  })

  it('by what is no digest is 400', async () => {
    await using serving = await serveOwn()
    for (const path of ['/v2/a/b/manifests/sha256:zz', '/v2/a/b/blobs/sha256:zz', '/v2/a/b/blobs/latest']) {
      const answer = await serving.ask(path, { method: 'DELETE' })
      assert.deepEqual([answer.status, codesOf(answer)], [400, ['DIGEST_INVALID']])
    }
  })

  it('an upload in progress needs no permission', async () => {
    await using serving = await serveOwn({ canDelete: false })
    assert.equal((await serving.ask(await serving.begin(), { method: 'DELETE' })).status, 204)
  })
})
