// OCI distribution specification 1.1, "Error Codes": what a refusal looks like, and which code it has.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { digestOf } from '../../src/oci/digest.ts'
import { statusOf } from '../../src/http/error-response.ts'
import { ociImage } from '../support/images.ts'
import { codesOf, type Conforming, jsonOf, octets, openConforming, withDigest } from './conforming.ts'
import type { Asking } from '../http/serving.ts'

const absent = digestOf(Buffer.from('absent'))
const image = ociImage({ seed: 'errors' })
const upload = '/v2/errors/app/blobs/uploads/3fa85f64-5717-4562-b3fc-2c963f66afa6'
const manifestType = { 'content-type': image.manifest.mediaType }

interface Case {
  readonly name: string
  readonly path: string
  readonly asking?: Asking
  readonly status: number
  readonly code: string
}

const listed: ReadonlySet<string> = new Set(
  `BLOB_UNKNOWN BLOB_UPLOAD_INVALID BLOB_UPLOAD_UNKNOWN DIGEST_INVALID MANIFEST_BLOB_UNKNOWN MANIFEST_INVALID MANIFEST_UNKNOWN
   NAME_INVALID NAME_UNKNOWN SIZE_INVALID UNAUTHORIZED DENIED UNSUPPORTED TOOMANYREQUESTS`.split(/\s+/),
)

const cases: readonly Case[] = [
  { name: 'a blob that is not there', path: `/v2/errors/app/blobs/${absent}`, status: 404, code: 'BLOB_UNKNOWN' },
  { name: 'a manifest that is not there', path: '/v2/errors/app/manifests/absent', status: 404, code: 'MANIFEST_UNKNOWN' },
  { name: 'a repository that is not there', path: '/v2/errors/nobody/tags/list', status: 404, code: 'NAME_UNKNOWN' },
  { name: 'a name against the grammar', path: '/v2/errors/APP/tags/list', status: 400, code: 'NAME_INVALID' },
  { name: 'the status of an upload that is not there', path: upload, status: 404, code: 'BLOB_UPLOAD_UNKNOWN' },
  {
    name: 'a chunk for an upload that is not there',
    path: upload,
    asking: { method: 'PATCH', headers: octets, body: 'x' },
    status: 404,
    code: 'BLOB_UPLOAD_UNKNOWN',
  },
  {
    name: 'the end of an upload that is not there',
    path: withDigest(upload, absent),
    asking: { method: 'PUT' },
    status: 404,
    code: 'BLOB_UPLOAD_UNKNOWN',
  },
  { name: 'a blob by a digest that is none', path: '/v2/errors/app/blobs/sha256:xyz', status: 400, code: 'DIGEST_INVALID' },
  { name: 'a manifest by a digest that is none', path: '/v2/errors/app/manifests/sha256:xyz', status: 400, code: 'DIGEST_INVALID' },
  {
    name: 'a manifest by a tag that is none',
    path: '/v2/errors/app/manifests/-bad',
    asking: { method: 'PUT', headers: manifestType, body: image.manifest.bytes },
    status: 400,
    code: 'TAG_INVALID',
  },
  {
    name: 'a method that there is not',
    path: '/v2/errors/app/tags/list',
    asking: { method: 'PUT' },
    status: 405,
    code: 'UNSUPPORTED',
  },
  {
    name: 'a manifest that is no JSON',
    path: '/v2/errors/app/manifests/bad',
    asking: { method: 'PUT', headers: manifestType, body: 'no JSON' },
    status: 400,
    code: 'MANIFEST_INVALID',
  },
  {
    name: 'a manifest by the digest of another',
    path: `/v2/errors/app/manifests/${absent}`,
    asking: { method: 'PUT', headers: manifestType, body: image.manifest.bytes },
    status: 400,
    code: 'DIGEST_INVALID',
  },
  {
    name: 'a manifest whose blobs are not there',
    path: '/v2/errors/other/manifests/v1',
    asking: { method: 'PUT', headers: manifestType, body: ociImage({ seed: 'its blobs are nowhere' }).manifest.bytes },
    status: 400,
    code: 'MANIFEST_BLOB_UNKNOWN',
  },
]

describe('distribution-spec, error codes', () => {
  let registry: Conforming

  before(async () => {
    registry = await openConforming()
    await registry.push('errors/app', image, ['v1'])
  })
  after(() => registry[Symbol.asyncDispose]())

  for (const { name, path, asking, status, code } of cases) {
    test(`Error Codes: ${name} is ${status} ${code}`, async () => {
      const answer = await registry.ask(path, asking)
      assert.equal(answer.status, status)
      assert.equal(codesOf(answer)[0], code)
    })

    test(`Error Codes: of ${name}, the body should be JSON, its errors must have a code and may have message and detail`, async () => {
      const answer = await registry.ask(path, asking)
      assert.match(String(answer.headers['content-type']), /^application\/json/)
      const { errors, ...rest } = jsonOf(answer) as { errors: Record<string, unknown>[] }
      assert.deepEqual(rest, {})
      for (const { code: told, message, detail: _, ...others } of errors) {
        assert.match(String(told), /^[A-Z_]+$/)
        assert.equal(typeof message, 'string')
        assert.deepEqual(others, {})
      }
    })
  }

  test('Error Codes: the code of a 4xx must be one of the list; beyond it there are only those that registry:3 has', () => {
    const told = Object.entries(statusOf).filter(([, status]) => status < 500)
    const beyond = told.map(([code]) => code).filter((code) => !listed.has(code))
    assert.deepEqual(beyond.toSorted(), ['PAGINATION_NUMBER_INVALID', 'RANGE_INVALID', 'TAG_INVALID'])
  })

  test('Error Codes: bytes of another digest are DIGEST_INVALID, and there is no such blob', async () => {
    const location = withDigest(await registry.begin('errors/app'), absent)
    const answer = await registry.ask(location, { method: 'PUT', headers: octets, body: 'something else' })
    assert.deepEqual([answer.status, codesOf(answer)], [400, ['DIGEST_INVALID']])
    assert.equal((await registry.ask(`/v2/errors/app/blobs/${absent}`)).status, 404)
  })

  test('Error Codes: each blob that is missing is told', async () => {
    const { manifest, blobs } = ociImage({ seed: 'three layers nowhere', layers: 3 })
    const answer = await registry.putManifest('errors/app', 'v2', manifest)
    assert.deepEqual(
      codesOf(answer),
      [...blobs.keys()].map(() => 'MANIFEST_BLOB_UNKNOWN'),
    )
  })

  test('Error Codes: a delete that is switched off is 405 UNSUPPORTED', async () => {
    await using frozen = await openConforming({ canDelete: false })
    await frozen.push('errors/app', image, ['v1'])
    for (const path of ['manifests/v1', `manifests/${image.manifest.digest}`, `blobs/${[...image.blobs.keys()][0]}`]) {
      const answer = await frozen.ask(`/v2/errors/app/${path}`, { method: 'DELETE' })
      assert.deepEqual([answer.status, codesOf(answer)], [405, ['UNSUPPORTED']])
      assert.equal((await frozen.ask(`/v2/errors/app/${path}`)).status, 200)
    }
  })
})
