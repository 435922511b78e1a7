import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { sealTicket } from '../../src/http/upload-ticket.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { type Answer, seededBytes } from './serving.ts'
import { codesOf, octets, pathOf, secret, serveOwn, startedAt, withDigest, withoutState } from './writing.ts'

const bytes = seededBytes(300_000)
const digest = digestOf(bytes)
const empty = digestOf(new Uint8Array())
const other = digestOf(Buffer.from('other'))
const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

function idIn(location: string): string {
  return pathOf(location).replace(/^.*\/|\?.*$/g, '')
}

function assertState({ headers }: Answer, size: number): void {
  const location = String(headers['location'])
  const id = idIn(location)
  assert.match(id, uuid)
  assert.equal(headers['docker-upload-uuid'], id)
  assert.equal(headers['range'], `0-${Math.max(0, size - 1)}`)
  const state = new URL(location).searchParams.get('_state')
  assert.equal(state, sealTicket(secret, { repository: 'a/b', id, offset: size, startedAt }))
}

describe('the beginning of an upload', () => {
  for (const path of ['/v2/a/b/blobs/uploads/', '/v2/a/b/blobs/uploads']) {
    it(`POST ${path} is 202 with an address`, async () => {
      await using serving = await serveOwn()
      const answer = await serving.ask(path, { method: 'POST' })
      assert.equal(answer.status, 202)
      assertState(answer, 0)
      assert.deepEqual([answer.headers['content-length'], answer.headers['oci-chunk-min-length']], ['0', '1'])
      assert.equal(answer.headers['docker-distribution-api-version'], 'registry/2.0')
      assert.ok(String(answer.headers['location']).startsWith(`http://127.0.0.1:${serving.port}/v2/a/b/blobs/uploads/`))
    })
  }

  it('passes the algorithm on, and refuses one that it can not verify', async () => {
    await using serving = await serveOwn()
    assert.equal((await serving.ask('/v2/a/b/blobs/uploads/?digest-algorithm=sha512', { method: 'POST' })).status, 202)
    assert.deepEqual(
      [...serving.store.uploads.values()].map(({ algorithm }) => algorithm),
      ['sha512'],
    )
    const refused = await serving.ask('/v2/a/b/blobs/uploads/?digest-algorithm=md5', { method: 'POST' })
    assert.deepEqual([refused.status, codesOf(refused)], [400, ['DIGEST_INVALID']])
  })

  it('with a digest and all bytes is the whole push', async () => {
    await using serving = await serveOwn()
    for (const algorithm of ['sha256', 'sha512'] as const) {
      const digest = digestOf(bytes, algorithm)
      const answer = await serving.ask(withDigest('/v2/a/b/blobs/uploads/', digest), { method: 'POST', headers: octets, body: bytes })
      assert.deepEqual([answer.status, answer.headers['docker-content-digest'], answer.headers['content-length']], [201, digest, '0'])
      assert.equal(answer.headers['location'], `http://127.0.0.1:${serving.port}/v2/a/b/blobs/${digest}`)
      assert.deepEqual(serving.store.blobs.get(`a/b@${digest}`), bytes)
    }
    assert.equal(serving.store.uploads.size, 0)
  })

  it('with a digest and no body is an upload, except for the empty blob', async () => {
    await using serving = await serveOwn()
    assert.equal((await serving.ask(withDigest('/v2/a/b/blobs/uploads/', digest), { method: 'POST' })).status, 202)
    const answer = await serving.ask(withDigest('/v2/a/b/blobs/uploads/', empty), { method: 'POST' })
    assert.deepEqual([answer.status, answer.headers['docker-content-digest']], [201, empty])
  })

  it('with the digest of other bytes leaves nothing behind', async () => {
    await using serving = await serveOwn()
    const answer = await serving.ask(withDigest('/v2/a/b/blobs/uploads/', other), { method: 'POST', body: bytes })
    assert.deepEqual([answer.status, codesOf(answer)], [400, ['DIGEST_INVALID']])
    assert.deepEqual([serving.store.uploads.size, serving.store.blobs.size], [0, 0])
  })

  it('with what is no digest is 400', async () => {
    await using serving = await serveOwn()
    const answer = await serving.ask('/v2/a/b/blobs/uploads/?digest=sha256:zz', { method: 'POST', body: bytes })
    assert.deepEqual([answer.status, codesOf(answer)], [400, ['DIGEST_INVALID']])
  })
})

describe('a mount', () => {
  it('of a blob that is there is 201, with and without from', async () => {
    await using serving = await serveOwn()
    serving.store.blobs.set(`base@${digest}`, bytes)
    for (const [name, from] of [
      ['a/b', '&from=base'],
      ['a/c', ''],
    ]) {
      const answer = await serving.ask(`/v2/${name}/blobs/uploads/?mount=${digest}${from}`, { method: 'POST' })
      assert.deepEqual([answer.status, answer.headers['docker-content-digest']], [201, digest])
      assert.equal(answer.headers['location'], `http://127.0.0.1:${serving.port}/v2/${name}/blobs/${digest}`)
      assert.ok(serving.store.blobs.has(`${name}@${digest}`))
    }
  })

  for (const query of [`mount=${other}&from=base`, `mount=${other}`, 'mount=sha256:zz&from=base', `mount=${digest}&from=NOT/A/name`]) {
    it(`?${query.slice(0, 20)}… that can not be becomes an upload`, async () => {
      await using serving = await serveOwn()
      serving.store.blobs.set(`base@${digest}`, bytes)
      const answer = await serving.ask(`/v2/a/b/blobs/uploads/?${query}`, { method: 'POST' })
      assert.equal(answer.status, 202)
      assertState(answer, 0)
    })
  }
})

describe('chunks', () => {
  it('streamed and finished by an empty PUT', async () => {
    await using serving = await serveOwn()
    const sent = await serving.ask(await serving.begin(), {
      method: 'PATCH',
      headers: { ...octets, 'transfer-encoding': 'chunked' },
      body: bytes,
    })
    assert.deepEqual([sent.status, sent.headers['content-length']], [202, '0'])
    assertState(sent, bytes.length)
    const done = await serving.ask(withDigest(String(sent.headers['location']), digest), { method: 'PUT' })
    assert.deepEqual([done.status, done.headers['docker-content-digest'], done.headers['content-length']], [201, digest, '0'])
    assert.equal(done.headers['location'], `http://127.0.0.1:${serving.port}/v2/a/b/blobs/${digest}`)
    assert.deepEqual(serving.store.blobs.get(`a/b@${digest}`), bytes)
  })

  it('with Content-Range, the last one in the PUT', async () => {
    await using serving = await serveOwn()
    let location = await serving.begin()
    for (const [start, end, method] of [
      [0, 99_999, 'PATCH'],
      [100_000, 100_000, 'PATCH'],
      [100_001, 299_999, 'PUT'],
    ] as const) {
      const headers = { ...octets, 'content-range': `${start}-${end}` }
      const to = method === 'PUT' ? withDigest(location, digest) : location
      const answer = await serving.ask(to, { method, headers, body: bytes.subarray(start, end + 1) })
      assert.equal(answer.status, method === 'PUT' ? 201 : 202)
      if (method === 'PATCH') assertState(answer, end + 1)
      location = String(answer.headers['location'])
    }
    assert.deepEqual(serving.store.blobs.get(`a/b@${digest}`), bytes)
  })

  it('without the state in the address, as clients may drop it', async () => {
    await using serving = await serveOwn()
    const location = withoutState(await serving.begin())
    for (const part of [bytes.subarray(0, 10), bytes.subarray(10, 500)]) {
      assert.equal((await serving.ask(location, { method: 'PATCH', body: part })).status, 202)
    }
    const status = await serving.ask(location)
    assertState(status, 500)
    assert.equal((await serving.ask(withDigest(location, digest), { method: 'PUT', body: bytes.subarray(500) })).status, 201)
  })

  it('of any Content-Type are kept as they are', async () => {
    await using serving = await serveOwn()
    const form = { 'content-type': 'application/x-www-form-urlencoded' }
    const body = Buffer.from('a=b&c=d')
    const sent = await serving.ask(await serving.begin(), { method: 'PATCH', headers: form, body: body.subarray(0, 3) })
    const to = withDigest(String(sent.headers['location']), digestOf(body))
    assert.equal((await serving.ask(to, { method: 'PUT', headers: form, body: body.subarray(3) })).status, 201)
    assert.deepEqual(serving.store.blobs.get(`a/b@${digestOf(body)}`), body)
  })

  it('of nothing make the empty blob', async () => {
    await using serving = await serveOwn()
    const done = await serving.ask(withDigest(await serving.begin(), empty), { method: 'PUT', headers: { 'content-length': '0' } })
    assert.deepEqual([done.status, done.headers['docker-content-digest']], [201, empty])
  })
})

describe('a chunk in the wrong place', () => {
  const body = bytes.subarray(0, 100)
  const cases: [string, Record<string, string>, number, string][] = [
    ['begins too late', { 'content-range': '200-299' }, 416, 'RANGE_INVALID'],
    ['begins too early', { 'content-range': '0-99' }, 416, 'RANGE_INVALID'],
    ['has a range that is none', { 'content-range': 'all' }, 416, 'RANGE_INVALID'],
    ['has a range that runs backwards', { 'content-range': '100-50' }, 416, 'RANGE_INVALID'],
    ['has another length than its range', { 'content-range': '100-198', 'content-length': '100' }, 400, 'SIZE_INVALID'],
    ['streams more than its range', { 'content-range': '100-198', 'transfer-encoding': 'chunked' }, 400, 'SIZE_INVALID'],
    ['streams less than its range', { 'content-range': '100-200', 'transfer-encoding': 'chunked' }, 400, 'SIZE_INVALID'],
  ]
  for (const method of ['PATCH', 'PUT']) {
    for (const [what, headers, status, code] of cases) {
      it(`${method}: ${what} → ${status}, and the upload goes on`, async () => {
        await using serving = await serveOwn()
        const sent = await serving.ask(await serving.begin(), { method: 'PATCH', body })
        const location = String(sent.headers['location'])
        const refused = await serving.ask(method === 'PUT' ? withDigest(location, digest) : location, { method, headers, body })
        assert.deepEqual([refused.status, codesOf(refused)], [status, [code]])
        if (status === 416) assertState(refused, 100)
        const at = serving.store.bytesOf(idIn(location)).length
        assert.ok(at >= 100)
        const resumed = withDigest(withoutState(location), digest)
        if (at === 100) assert.equal((await serving.ask(resumed, { method: 'PUT', body: bytes.subarray(100) })).status, 201)
      })
    }
  }

  it('by an old address is 416, with the newest one', async () => {
    await using serving = await serveOwn()
    const old = await serving.begin()
    await serving.ask(old, { method: 'PATCH', body })
    for (const [method, to] of [
      ['PATCH', old],
      ['PUT', withDigest(old, digest)],
    ] as const) {
      const refused = await serving.ask(to, { method, body })
      assert.deepEqual([refused.status, codesOf(refused)], [416, ['RANGE_INVALID']])
      assertState(refused, 100)
      assert.equal((await serving.ask(String(refused.headers['location']))).status, 204)
    }
    assert.deepEqual(serving.store.bytesOf(idIn(old)), body)
  })
})

describe('the end of an upload', () => {
  it('needs a digest', async () => {
    await using serving = await serveOwn()
    const location = await serving.begin()
    for (const to of [location, withDigest(location, ''), withDigest(location, 'sha256:zz'), withDigest(location, 'md5:abc')]) {
      const refused = await serving.ask(to, { method: 'PUT', body: bytes })
      assert.deepEqual([refused.status, codesOf(refused)], [400, ['DIGEST_INVALID']])
    }
    assert.equal(serving.store.bytesOf(idIn(location)).length, 0)
  })

  it('with another digest is 400, and the upload stays', async () => {
    await using serving = await serveOwn()
    const location = await serving.begin()
    const refused = await serving.ask(withDigest(location, other), { method: 'PUT', body: bytes })
    assert.deepEqual([refused.status, codesOf(refused)], [400, ['DIGEST_INVALID']])
    assert.equal((await serving.ask(withDigest(withoutState(location), digest), { method: 'PUT' })).status, 201)
  })
})

describe('the status of an upload', () => {
  it('is 204 for GET and HEAD, without a body or its length', async () => {
    await using serving = await serveOwn()
    const sent = await serving.ask(await serving.begin(), { method: 'PATCH', body: bytes })
    for (const method of ['GET', 'HEAD']) {
      const answer = await serving.ask(String(sent.headers['location']), { method })
      assert.deepEqual([answer.status, answer.headers['content-length'], answer.body.length], [204, undefined, 0])
      assertState(answer, bytes.length)
    }
  })

  it('is told by an old address, too', async () => {
    await using serving = await serveOwn()
    const old = await serving.begin()
    await serving.ask(old, { method: 'PATCH', body: bytes })
    const answer = await serving.ask(old)
    assert.equal(answer.status, 204)
    assertState(answer, bytes.length)
  })
})

describe('a cancelled upload', () => {
  for (const drop of [(location: string) => location, withoutState]) {
    it(`${drop === withoutState ? 'without' : 'with'} the state is 204, then gone`, async () => {
      await using serving = await serveOwn()
      const location = await serving.begin()
      await serving.ask(location, { method: 'PATCH', body: bytes })
      const answer = await serving.ask(drop(location), { method: 'DELETE' })
      assert.deepEqual([answer.status, answer.headers['docker-upload-uuid']], [204, idIn(location)])
      for (const method of ['GET', 'PATCH', 'DELETE']) {
        const gone = await serving.ask(drop(location), { method })
        assert.deepEqual([gone.status, codesOf(gone)], [404, ['BLOB_UPLOAD_UNKNOWN']])
      }
    })
  }
})
