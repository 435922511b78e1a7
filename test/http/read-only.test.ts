import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { digestOf } from '../../src/oci/digest.ts'
import { blobOf, contentOf, manifestOf } from './serving.ts'
import { codesOf, serveOwn } from './writing.ts'

const bytes = Buffer.from('a blob')
const digest = digestOf(bytes)
const id = '5d06a6bd-6f4c-4d8f-8f54-5d5f4f9a3c11'

describe('a registry that is read-only', () => {
  const refused: [string, string, string][] = [
    ['POST', '/v2/a/b/blobs/uploads/', ''],
    ['PATCH', `/v2/a/b/blobs/uploads/${id}`, 'GET, HEAD'],
    ['PUT', `/v2/a/b/blobs/uploads/${id}?digest=${digest}`, 'GET, HEAD'],
    ['DELETE', `/v2/a/b/blobs/uploads/${id}`, 'GET, HEAD'],
    ['PUT', '/v2/a/b/manifests/latest', 'GET, HEAD'],
    ['DELETE', '/v2/a/b/manifests/latest', 'GET, HEAD'],
    ['DELETE', `/v2/a/b/blobs/${digest}`, 'GET, HEAD'],
  ]
  for (const [method, path, allow] of refused) {
    it(`answers ${method} ${path.slice(0, 24)}… with 405 and what is left`, async () => {
      await using serving = await serveOwn({ isReadOnly: true })
      const answer = await serving.ask(path, { method, ...(method.startsWith('P') ? { body: bytes } : {}) })
      assert.deepEqual([answer.status, answer.headers['allow'], codesOf(answer)], [405, allow, ['UNSUPPORTED']])
    })
  }

  it('still serves, and tells how uploads stand', async () => {
    await using serving = await serveOwn(
      { isReadOnly: true },
      { content: contentOf({ findBlob: async () => blobOf(bytes), findManifest: async () => manifestOf('{}') }) },
    )
    assert.equal((await serving.ask(`/v2/a/b/blobs/${digest}`)).status, 200)
    assert.equal((await serving.ask('/v2/a/b/manifests/latest')).status, 200)
    const { id } = await serving.store.beginUpload('a/b' as never)
    assert.equal((await serving.ask(`/v2/a/b/blobs/uploads/${id}`)).status, 204)
  })
})
