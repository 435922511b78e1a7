// OCI distribution specification 1.1, "Push": blobs in one piece and in chunks. One test per requirement, named by section.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { type DigestAlgorithm, digestOf } from '../../src/oci/digest.ts'
import { type Answer, seededBytes } from '../http/serving.ts'
import { type Conforming, octets, openConforming, withDigest } from './conforming.ts'

const bytes = seededBytes(200_000)
const digest = digestOf(bytes)
const nothing = Buffer.alloc(0)

describe('distribution-spec, push of blobs', () => {
  let registry: Conforming
  let number = 0
  let repository = ''

  before(async () => {
    registry = await openConforming()
  })
  after(() => registry[Symbol.asyncDispose]())

  /** Each test pushes into a repository that has nothing. */
  const fresh = () => {
    number += 1
    repository = `push/app${number}`
    return repository
  }
  const patch = (location: string, from: number, to: number) =>
    registry.ask(location, {
      method: 'PATCH',
      headers: { ...octets, 'content-range': `${from}-${to - 1}` },
      body: bytes.subarray(from, to),
    })
  const finish = (location: string, named: string, body: Buffer = nothing, headers = {}) =>
    registry.ask(withDigest(location, named), { method: 'PUT', headers: { ...octets, ...headers }, body })
  const locationOf = ({ headers }: Answer) => String(headers['location'])

  async function assertPulled(answer: Answer, expected: Buffer = bytes, named: string = digest): Promise<void> {
    assert.equal(answer.status, 201)
    const pulled = await registry.ask(locationOf(answer))
    assert.equal(pulled.status, 200)
    assert.deepEqual(pulled.body, expected)
    assert.deepEqual((await registry.ask(`/v2/${repository}/blobs/${named}`)).body, expected)
  }

  test('POST then PUT: the POST must be 202 with a Location, also without the last slash', async () => {
    for (const path of [`/v2/${fresh()}/blobs/uploads/`, `/v2/${fresh()}/blobs/uploads`]) {
      const answer = await registry.ask(path, { method: 'POST' })
      assert.equal(answer.status, 202)
      assert.notEqual(locationOf(answer), '')
    }
  })

  test('POST then PUT: each POST gives an address of its own', async () => {
    assert.notEqual(await registry.begin(fresh()), await registry.begin(repository))
  })

  test('POST then PUT: the Location must have a UUID of the session', async () => {
    assert.match(await registry.begin(fresh()), /\/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}(?:\?|$)/)
  })

  for (const [what, content] of Object.entries({
    'a blob': bytes,
    'a blob of no bytes': nothing,
    'a blob of one byte': Buffer.from('x'),
  })) {
    for (const algorithm of ['sha256', 'sha512'] satisfies DigestAlgorithm[]) {
      const named = digestOf(content, algorithm)

      test(`POST then PUT: ${what} by ${algorithm} must be 201 with the Location where it can be pulled`, async () => {
        await assertPulled(await finish(await registry.begin(fresh()), named, content), content, named)
      })

      test(`Single POST: ${what} by ${algorithm} should be 201 with the Location where it can be pulled`, async () => {
        const path = withDigest(`/v2/${fresh()}/blobs/uploads/`, named)
        await assertPulled(await registry.ask(path, { method: 'POST', headers: octets, body: content }), content, named)
      })

      test(`Pushing a blob in chunks: ${what} by ${algorithm} in one streamed PATCH`, async () => {
        const sent = await registry.ask(await registry.begin(fresh()), { method: 'PATCH', headers: octets, body: content })
        assert.equal(sent.status, 202)
        await assertPulled(await finish(locationOf(sent), named), content, named)
      })
    }
  }

  test('Single POST: bytes of another digest are not taken', async () => {
    const path = withDigest(`/v2/${fresh()}/blobs/uploads/`, digest)
    assert.equal((await registry.ask(path, { method: 'POST', headers: octets, body: 'other bytes' })).status, 400)
    assert.equal((await registry.ask(`/v2/${repository}/blobs/${digest}`)).status, 404)
  })

  test('POST then PUT: a stream of unknown length is taken as well', async () => {
    const location = await registry.begin(fresh())
    const body = new ReadableStream({
      start(controller) {
        for (let at = 0; at < bytes.length; at += 7_000) controller.enqueue(new Uint8Array(bytes.subarray(at, at + 7_000)))
        controller.close()
      },
    })
    const answer = await fetch(withDigest(location, digest), { method: 'PUT', headers: octets, body, duplex: 'half' })
    assert.equal(answer.status, 201)
    assert.deepEqual((await registry.ask(`/v2/${repository}/blobs/${digest}`)).body, bytes)
  })

  test('Pushing a blob in chunks: OCI-Chunk-Min-Length of the POST is a length that chunks may have', async () => {
    const begun = await registry.ask(`/v2/${fresh()}/blobs/uploads/`, { method: 'POST' })
    const least = Number(begun.headers['oci-chunk-min-length'])
    assert.ok(least >= 1)
    assert.equal((await patch(locationOf(begun), 0, least)).status, 202)
  })

  test('Pushing a blob in chunks: each must be 202, Location the next address, Range what is here from 0 on, inclusive', async () => {
    let location = await registry.begin(fresh())
    for (const [from, to] of [
      [0, 50_000],
      [50_000, 50_001],
      [50_001, 180_000],
    ] as const) {
      const answer = await patch(location, from, to)
      assert.deepEqual([answer.status, answer.headers['range']], [202, `0-${to - 1}`])
      location = locationOf(answer)
    }
    const range = { 'content-range': `180000-${bytes.length - 1}` }
    await assertPulled(await finish(location, digest, bytes.subarray(180_000), range))
  })

  test('Pushing a blob in chunks: the PUT may come without a chunk', async () => {
    const first = await patch(await registry.begin(fresh()), 0, 100_000)
    await assertPulled(await finish(locationOf(await patch(locationOf(first), 100_000, 200_000)), digest))
  })

  test('Pushing a blob in chunks: by sha512, announced or not', async () => {
    for (const query of ['?digest-algorithm=sha512', '']) {
      const first = await patch(await registry.begin(fresh(), query), 0, 100_000)
      const named = digestOf(bytes, 'sha512')
      await assertPulled(await finish(locationOf(await patch(locationOf(first), 100_000, 200_000)), named), bytes, named)
    }
  })

  test('Pushing a blob in chunks: the first one must begin at 0, else 416', async () => {
    assert.equal((await patch(await registry.begin(fresh()), 1, 1_000)).status, 416)
  })

  for (const [what, from] of Object.entries({ 'leaves a gap': 60_000, overlaps: 40_000, 'was sent before': 0 })) {
    test(`Pushing a blob in chunks: one that ${what} must be 416, and the upload goes on`, async () => {
      const first = await patch(await registry.begin(fresh()), 0, 50_000)
      const refused = await patch(locationOf(first), from, from + 50_000)
      assert.equal(refused.status, 416)
      const status = await registry.ask(locationOf(first))
      assert.deepEqual([status.status, status.headers['range']], [204, '0-49999'])
      const rest = await patch(locationOf(status), 50_000, 200_000)
      await assertPulled(await finish(locationOf(rest), digest))
    })
  }

  test('Pushing a blob in chunks: a last chunk out of order is 416, and the upload can be ended in order', async () => {
    const first = await patch(await registry.begin(fresh()), 0, 50_000)
    const refused = await finish(locationOf(first), digest, bytes.subarray(60_000), { 'content-range': `60000-${bytes.length - 1}` })
    assert.equal(refused.status, 416)
    await assertPulled(await finish(locationOf(first), digest, bytes.subarray(50_000), { 'content-range': `50000-${bytes.length - 1}` }))
  })

  test('Pushing a blob in chunks: the closing PUT must have the digest of the whole, else 400; the upload stays', async () => {
    const first = await patch(await registry.begin(fresh()), 0, 100_000)
    const last = bytes.subarray(100_000)
    const range = { 'content-range': `100000-${bytes.length - 1}` }
    const without = await registry.ask(locationOf(first), { method: 'PUT', headers: { ...octets, ...range }, body: last })
    assert.equal(without.status, 400)
    assert.equal((await registry.ask(locationOf(first))).headers['range'], '0-99999')
    const ofTheChunk = await finish(locationOf(first), digestOf(last), last, range)
    assert.equal(ofTheChunk.status, 400)
  })

  test('Pushing a blob in chunks: a Content-Range that is none is refused', async () => {
    const location = await registry.begin(fresh())
    const answer = await registry.ask(location, { method: 'PATCH', headers: { ...octets, 'content-range': 'all of it' }, body: 'x' })
    assert.ok(answer.status === 400 || answer.status === 416, `status ${answer.status}`)
  })

  test('Pushing a blob in chunks: GET of an upload must be 204 with Location and Range', async () => {
    const first = await patch(await registry.begin(fresh()), 0, 12_345)
    const status = await registry.ask(locationOf(first))
    assert.deepEqual([status.status, status.headers['range']], [204, '0-12344'])
    await assertPulled(await finish(locationOf(await patch(locationOf(status), 12_345, 200_000)), digest))
  })

  test('Cancel a blob upload: DELETE should be 204, and afterwards there is no such upload', async () => {
    const first = await patch(await registry.begin(fresh()), 0, 1_000)
    assert.equal((await registry.ask(locationOf(first), { method: 'DELETE' })).status, 204)
    assert.equal((await registry.ask(locationOf(first))).status, 404)
    assert.equal((await finish(locationOf(first), digest, bytes.subarray(1_000))).status, 404)
    assert.equal((await registry.ask(locationOf(first), { method: 'DELETE' })).status, 404)
  })

  test('Mounting a blob: from a repository that has it must be 201 with the Location where it can be pulled', async () => {
    const source = fresh()
    await registry.pushBlob(source, bytes)
    await assertPulled(await registry.ask(`/v2/${fresh()}/blobs/uploads/?mount=${digest}&from=${source}`, { method: 'POST' }))
  })

  test('Mounting a blob: without from, the registry may find it itself: 201, or else 202 with an upload', async () => {
    await registry.pushBlob(fresh(), bytes)
    await assertPulled(await registry.ask(`/v2/${fresh()}/blobs/uploads/?mount=${digest}`, { method: 'POST' }))
  })

  test('Mounting a blob: one that can not be had should be 202 with an upload that works', async () => {
    for (const from of [`&from=${fresh()}`, '&from=NO', '']) {
      const absent = seededBytes(4_321 + from.length)
      const named = digestOf(absent)
      const answer = await registry.ask(`/v2/${fresh()}/blobs/uploads/?mount=${named}${from}`, { method: 'POST' })
      assert.equal(answer.status, 202)
      await assertPulled(await finish(locationOf(answer), named, absent), absent, named)
    }
  })

  test('Pushing blobs: one that is here already may be pushed again', async () => {
    await registry.pushBlob(fresh(), bytes)
    await assertPulled(await finish(await registry.begin(repository), digest, bytes))
  })
})
