import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ask, blobOf, contentOf, seededBytes, serve } from './serving.ts'

const bytes = seededBytes(200_000)
const blob = blobOf(bytes, 7000)
const { digest } = blob.descriptor
const path = `/v2/library/nginx/blobs/${digest}`
const content = contentOf({ findBlob: async () => blob, describeBlob: async () => blob })

describe('blobs', () => {
  it('GET gives the whole with all its headers', async () => {
    await using serving = await serve({ content })
    const { status, headers, body } = await ask(serving.port, path)
    assert.equal(status, 200)
    assert.ok(body.equals(bytes))
    assert.equal(headers['content-type'], 'application/octet-stream')
    assert.equal(headers['content-length'], '200000')
    assert.equal(headers['accept-ranges'], 'bytes')
    assert.equal(headers['docker-content-digest'], digest)
    assert.equal(headers['etag'], `"${digest}"`)
    assert.equal(headers['cache-control'], 'max-age=31536000')
    assert.equal(headers['docker-distribution-api-version'], 'registry/2.0')
    assert.equal(headers['x-cache'], 'hit')
  })

  it('HEAD has the headers of GET and brings nothing in', async () => {
    await using heads = await serve({ content: contentOf({ describeBlob: async () => blob }) })
    await using serving = await serve({ content })
    for (const headers of [{}, { range: 'bytes=5-9' }]) {
      const head = await ask(heads.port, path, { method: 'HEAD', headers })
      const get = await ask(serving.port, path, { headers })
      assert.deepEqual([head.status, head.body.length], [get.status, 0])
      assert.deepEqual({ ...head.headers, date: '' }, { ...get.headers, date: '' })
    }
  })

  for (const [range, start, end] of [
    ['bytes=0-', 0, 199_999],
    ['bytes=0-0', 0, 0],
    ['bytes=199999-', 199_999, 199_999],
    ['bytes=100-65535', 100, 65_535],
    ['bytes=6999-7000', 6999, 7000],
    ['bytes=-1', 199_999, 199_999],
    ['bytes=-300000', 0, 199_999],
    ['bytes=150000-200000', 150_000, 199_999],
    ['bytes=5-99999999999999', 5, 199_999],
  ] as const) {
    it(`${range} is 206 with bytes ${start}-${end}`, async () => {
      await using serving = await serve({ content })
      const { status, headers, body } = await ask(serving.port, path, { headers: { range } })
      assert.deepEqual([status, headers['content-range']], [206, `bytes ${start}-${end}/200000`])
      assert.equal(headers['content-length'], String(end - start + 1))
      assert.ok(body.equals(bytes.subarray(start, end + 1)))
    })
  }

  for (const range of ['bytes=0-1,5-6', 'bytes=x-', 'bytes=-', 'lines=1-2', 'bytes=1.5-3', 'bytes', '']) {
    it(`${JSON.stringify(range)} is answered in full`, async () => {
      await using serving = await serve({ content })
      const { status, headers, body } = await ask(serving.port, path, { headers: { range } })
      assert.deepEqual([status, headers['content-range'], body.length], [200, undefined, 200_000])
    })
  }

  for (const range of ['bytes=200000-', 'bytes=999999999-', 'bytes=-0', 'bytes=9-5']) {
    it(`${range} is 416 with the size`, async () => {
      await using serving = await serve({ content })
      for (const method of ['GET', 'HEAD']) {
        const { status, headers, body } = await ask(serving.port, path, { method, headers: { range } })
        assert.deepEqual([status, headers['content-range']], [416, 'bytes */200000'])
        if (method === 'GET') assert.equal(JSON.parse(body.toString()).errors[0].code, 'RANGE_INVALID')
      }
    })
  }

  it('an empty blob is 200, also by range', async () => {
    const empty = blobOf(Buffer.alloc(0))
    await using serving = await serve({ content: contentOf({ findBlob: async () => empty }) })
    for (const range of ['', 'bytes=0-', 'bytes=-5']) {
      const { status, headers, body } = await ask(serving.port, path, { headers: { range } })
      assert.deepEqual([status, headers['content-length'], body.length], [200, '0', 0])
    }
  })

  it('If-None-Match is 304 without opening the blob', async () => {
    const closed = blobOf(bytes, 7000, { open: () => assert.fail('opened') })
    await using serving = await serve({ content: contentOf({ findBlob: async () => closed }) })
    const { status, headers, body } = await ask(serving.port, path, { headers: { 'if-none-match': `"${digest}"` } })
    assert.deepEqual([status, body.length, headers['etag'], headers['content-length']], [304, 0, `"${digest}"`, undefined])
  })

  for (const [name, value, status] of [
    ['our tag', `"${digest}"`, 206],
    ['another tag', '"x"', 200],
    ['a weak tag', `W/"${digest}"`, 200],
    ['a date', 'Sat, 21 Nov 2026 03:00:00 GMT', 200],
  ] as const) {
    it(`If-Range with ${name} is ${status}`, async () => {
      await using serving = await serve({ content })
      const answer = await ask(serving.port, path, { headers: { range: 'bytes=5-9', 'if-range': value } })
      assert.deepEqual([answer.status, answer.body.length], [status, status === 206 ? 5 : 200_000])
    })
  }

  it('none is 404 BLOB_UNKNOWN', async () => {
    await using serving = await serve({ content: contentOf({ findBlob: async () => undefined, describeBlob: async () => undefined }) })
    const { status, body } = await ask(serving.port, path)
    const [error] = JSON.parse(body.toString()).errors
    assert.deepEqual([status, error.code, error.message], [404, 'BLOB_UNKNOWN', 'blob unknown to registry'])
    assert.equal((await ask(serving.port, path, { method: 'HEAD' })).status, 404)
  })

  for (const bad of ['foo', 'sha256:zz', 'md5:d41d8cd98f00b204e9800998ecf8427e', `${digest}0`, digest.toUpperCase(), 'sha256%3', 'a%20b']) {
    it(`the digest ${bad.slice(0, 20)} is 400 DIGEST_INVALID`, async () => {
      await using serving = await serve()
      const { status, body } = await ask(serving.port, `/v2/library/nginx/blobs/${bad}`)
      assert.deepEqual([status, JSON.parse(body.toString()).errors[0].code], [400, 'DIGEST_INVALID'])
    })
  }
})
