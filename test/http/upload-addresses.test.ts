import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { sealTicket } from '../../src/http/upload-ticket.ts'
import { digestOf } from '../../src/oci/digest.ts'
import type { RepositoryName } from '../../src/oci/names.ts'
import { seededBytes } from './serving.ts'
import { codesOf, secret, serveOwn, startedAt, withDigest, withoutState } from './writing.ts'

const bytes = seededBytes(300_000)
const digest = digestOf(bytes)

describe('an address that was not made for the upload', () => {
  const id = '5d06a6bd-6f4c-4d8f-8f54-5d5f4f9a3c11'
  const ticket = { repository: 'a/b', id, offset: 0, startedAt }
  const state = (sealed: string) => `?_state=${encodeURIComponent(sealed)}`

  const cases: [string, string, string][] = [
    ['of another secret', id + state(sealTicket('other', ticket)), 'BLOB_UPLOAD_INVALID'],
    ['of another repository', id + state(sealTicket(secret, { ...ticket, repository: 'a/c' })), 'BLOB_UPLOAD_INVALID'],
    ['of another upload', id + state(sealTicket(secret, { ...ticket, id: id.replace('5', '6') })), 'BLOB_UPLOAD_INVALID'],
    ['of junk', `${id}?_state=junk`, 'BLOB_UPLOAD_INVALID'],
    ['of an upload that is gone', id + state(sealTicket(secret, ticket)), 'BLOB_UPLOAD_UNKNOWN'],
    ['of no upload', id, 'BLOB_UPLOAD_UNKNOWN'],
    ['of a name that is no UUID', 'x', 'BLOB_UPLOAD_UNKNOWN'],
    ['that leaves its folder', '..%2f..%2fx', 'BLOB_UPLOAD_UNKNOWN'],
    ['in capitals', id.toUpperCase(), 'BLOB_UPLOAD_UNKNOWN'],
  ]
  for (const [what, rest, code] of cases) {
    it(`${what} is 404 ${code}`, async () => {
      await using serving = await serveOwn()
      for (const method of ['GET', 'PATCH', 'PUT', 'DELETE']) {
        const path = withDigest(`/v2/a/b/blobs/uploads/${rest}`, digest)
        const answer = await serving.ask(path, { method, ...(method.startsWith('P') ? { body: 'x' } : {}) })
        assert.deepEqual([answer.status, codesOf(answer)], [404, [code]])
      }
      assert.equal((await serving.ask(`/v2/a/b/blobs/uploads/${rest}`, { method: 'HEAD' })).status, 404)
    })
  }

  it('is one of another name, too', async () => {
    await using serving = await serveOwn()
    const location = await serving.begin('a/b')
    const answer = await serving.ask(withoutState(location).replace('/a/b/', '/a/c/'))
    assert.deepEqual([answer.status, codesOf(answer)], [404, ['BLOB_UPLOAD_UNKNOWN']])
  })
})

describe('repositories that are mirrored', () => {
  it('are refused with 405 that names proxy.local, for each kind of write', async () => {
    await using serving = await serveOwn({ isOwn: (name: RepositoryName) => name.startsWith('team/') })
    const id = '5d06a6bd-6f4c-4d8f-8f54-5d5f4f9a3c11'
    for (const [method, path] of [
      ['POST', '/v2/library/nginx/blobs/uploads/'],
      ['PATCH', `/v2/library/nginx/blobs/uploads/${id}`],
      ['PUT', `/v2/library/nginx/blobs/uploads/${id}?digest=${digest}`],
      ['DELETE', `/v2/library/nginx/blobs/uploads/${id}`],
      ['PUT', '/v2/library/nginx/manifests/latest'],
      ['DELETE', '/v2/library/nginx/manifests/latest'],
      ['DELETE', `/v2/library/nginx/blobs/${digest}`],
    ] as const) {
      const answer = await serving.ask(path, { method, ...(method.startsWith('P') ? { body: bytes } : {}) })
      assert.deepEqual([method, answer.status, codesOf(answer)], [method, 405, ['UNSUPPORTED']])
      assert.match(answer.body.toString(), /library\/nginx.*proxy\.local/)
    }
    assert.equal((await serving.ask('/v2/team/app/blobs/uploads/', { method: 'POST' })).status, 202)
  })

  it('can be mounted from', async () => {
    await using serving = await serveOwn({ isOwn: (name: RepositoryName) => name.startsWith('team/') })
    serving.store.blobs.set(`library/nginx@${digest}`, bytes)
    const answer = await serving.ask(`/v2/team/app/blobs/uploads/?mount=${digest}&from=library/nginx`, { method: 'POST' })
    assert.equal(answer.status, 201)
  })
})
