// OCI distribution specification 1.1, "Endpoints" and "Pull". One test per requirement, named by section and sentence in our words.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { digestOf } from '../../src/oci/digest.ts'
import { seededBytes } from '../http/serving.ts'
import { artifact, dockerImage, dockerList, ociImage, ociIndex } from '../support/images.ts'
import { codesOf, type Conforming, openConforming } from './conforming.ts'

const kinds = {
  'an OCI image': ociImage({ seed: 'pull' }),
  'an OCI index': ociIndex({ seed: 'pull' }),
  'a Docker image': dockerImage({ seed: 'pull' }),
  'a Docker list': dockerList({ seed: 'pull' }),
  'an artifact': artifact({ seed: 'pull' }),
}
const unknownDigest = digestOf(Buffer.from('nobody pushed this'))

describe('distribution-spec, pull', () => {
  const blob = seededBytes(100_000)
  const digest = digestOf(blob)
  const blobPath = `/v2/pull/app/blobs/${digest}`
  let registry: Conforming

  before(async () => {
    registry = await openConforming()
    for (const image of Object.values(kinds)) await registry.push('pull/app', image)
    await registry.push('pull/app', kinds['an OCI image'], ['v1'])
    await registry.pushBlob('pull/app', blob)
  })
  after(() => registry[Symbol.asyncDispose]())

  test('Determining Support: GET /v2/ must be 200', async () => {
    assert.equal((await registry.ask('/v2/')).status, 200)
  })

  for (const name of ['UPPER', 'a//b', '-a', 'a-', 'a..b', 'a___b', '.a', 'a'.repeat(256)]) {
    test(`Pulling manifests: a name must match the grammar, which ${name.slice(0, 10)} (${name.length}) does not`, async () => {
      const answer = await registry.ask(`/v2/${name}/tags/list`)
      assert.ok(answer.status === 400 || answer.status === 404, `status ${answer.status}`)
    })
  }

  for (const name of ['a', 'a/b/c/d', 'a.b_c-d', 'a__b', 'a--b---c', '0/1']) {
    test(`Pulling manifests: ${name} is a name`, async () => {
      await registry.push(name, kinds['an OCI image'], ['latest'])
      assert.equal((await registry.ask(`/v2/${name}/manifests/latest`)).status, 200)
    })
  }

  for (const tag of ['v1.0', '_underscore', 'UPPER', 'a'.repeat(128), '1-2_3.4']) {
    test(`Pulling manifests: a reference may be the tag ${tag.slice(0, 12)} (${tag.length})`, async () => {
      await registry.push('pull/tags', kinds['an OCI image'], [tag])
      assert.equal((await registry.ask(`/v2/pull/tags/manifests/${tag}`)).status, 200)
    })
  }

  for (const tag of ['a'.repeat(129), '.a', '-a', 'a+b', 'sha256:abc']) {
    test(`Pulling manifests: a reference must be a tag of at most 128 characters or a digest, not ${tag.slice(0, 12)} (${tag.length})`, async () => {
      const put = await registry.putManifest('pull/tags', tag, kinds['an OCI image'].manifest)
      assert.ok(put.status === 400 || put.status === 404, `status ${put.status}`)
    })
  }

  for (const [kind, { manifest }] of Object.entries(kinds)) {
    const path = `/v2/pull/app/manifests/${manifest.digest}`
    test(`Pulling manifests: a GET of ${kind} that is there must be 200, in the bytes that were pushed`, async () => {
      const answer = await registry.ask(path, { headers: { accept: manifest.mediaType } })
      assert.equal(answer.status, 200)
      assert.deepEqual(answer.body, manifest.bytes)
    })

    test(`Pulling manifests: the Content-Type of ${kind} should be its media type`, async () => {
      assert.equal((await registry.ask(path)).headers['content-type'], manifest.mediaType)
    })

    test(`Checking existence: a HEAD of ${kind} must be 200, and should have its size`, async () => {
      const answer = await registry.ask(path, { method: 'HEAD' })
      assert.deepEqual([answer.status, answer.headers['content-length']], [200, String(manifest.bytes.length)])
      assert.equal(answer.headers['docker-content-digest'], manifest.digest)
    })
  }

  test('Pulling manifests: by tag, Docker-Content-Digest should be that of the body', async () => {
    const { body, headers } = await registry.ask('/v2/pull/app/manifests/v1')
    assert.equal(headers['docker-content-digest'], digestOf(body))
    assert.deepEqual(body, kinds['an OCI image'].manifest.bytes)
  })

  for (const method of ['GET', 'HEAD']) {
    for (const reference of ['absent', unknownDigest, '.NO_TAG_AT_ALL', 'a'.repeat(129)]) {
      test(`Pulling manifests: ${method} of what is not there must be 404 (${reference.slice(0, 7)})`, async () => {
        const answer = await registry.ask(`/v2/pull/app/manifests/${reference}`, { method })
        assert.equal(answer.status, 404)
        if (method === 'GET') assert.deepEqual(codesOf(answer), ['MANIFEST_UNKNOWN'])
      })
    }

    test(`Pulling blobs: ${method} of what is not there must be 404`, async () => {
      const answer = await registry.ask(`/v2/pull/app/blobs/${unknownDigest}`, { method })
      assert.equal(answer.status, 404)
      if (method === 'GET') assert.deepEqual(codesOf(answer), ['BLOB_UNKNOWN'])
    })

    test(`Pulling: ${method} in a repository that is not there must be 404`, async () => {
      assert.equal((await registry.ask('/v2/pull/nobody/manifests/v1', { method })).status, 404)
      assert.equal((await registry.ask(`/v2/pull/nobody/blobs/${digest}`, { method })).status, 404)
    })
  }

  test('Pulling blobs: a GET of one that is there must be 200 with the whole blob, and should have its digest', async () => {
    const answer = await registry.ask(blobPath)
    assert.deepEqual([answer.status, answer.headers['docker-content-digest']], [200, digest])
    assert.deepEqual(answer.body, blob)
  })

  test('Pulling blobs: Range should be supported as in RFC 9110', async () => {
    for (const [range, from, to] of [
      ['bytes=0-0', 0, 1],
      ['bytes=1000-1999', 1000, 2000],
      ['bytes=99999-', 99_999, 100_000],
      ['bytes=-10', 99_990, 100_000],
      ['bytes=50000-999999', 50_000, 100_000],
    ] as const) {
      const answer = await registry.ask(blobPath, { headers: { range } })
      assert.deepEqual([answer.status, answer.headers['content-range']], [206, `bytes ${from}-${to - 1}/100000`])
      assert.deepEqual(answer.body, blob.subarray(from, to))
    }
    const beyond = await registry.ask(blobPath, { headers: { range: 'bytes=100000-' } })
    assert.deepEqual([beyond.status, beyond.headers['content-range']], [416, 'bytes */100000'])
  })

  test('Checking existence: a HEAD of a blob must be 200, and should have its size', async () => {
    const answer = await registry.ask(blobPath, { method: 'HEAD' })
    assert.deepEqual([answer.status, answer.headers['content-length']], [200, String(blob.length)])
    assert.equal(answer.headers['docker-content-digest'], digest)
    assert.equal(answer.body.length, 0)
  })

  test('Pulling blobs: one of no bytes is 200 without a body', async () => {
    const nothing = await registry.pushBlob('pull/app', Buffer.alloc(0))
    const answer = await registry.ask(`/v2/pull/app/blobs/${nothing}`)
    assert.deepEqual([answer.status, answer.headers['content-length'], answer.body.length], [200, '0', 0])
  })

  test('Pulling blobs: by sha512 as by sha256', async () => {
    const sha512 = await registry.pushBlob('pull/app', blob, 'sha512')
    assert.match(sha512, /^sha512:/)
    const answer = await registry.ask(`/v2/pull/app/blobs/${sha512}`)
    assert.deepEqual([answer.status, answer.headers['docker-content-digest']], [200, sha512])
    assert.deepEqual(answer.body, blob)
  })
})
