// Blobs from the upstream: redirects to CDNs, sizes without a download, ranges, and transfers that break.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { gzipSync } from 'node:zlib'
import type { Fault, HubOptions } from '../support/hub/hub.ts'
import { alpine, bytes, digest, empty, hubWithBlob, signal, transferOf } from './one-blob.ts'
import { bytesOf, digestFrom, failureOf, remoteFor } from './remote.ts'

const missing = digestFrom(`sha256:${'0'.repeat(64)}`)

describe('a blob', () => {
  for (const redirect of [307, 302, 301, 'none'] as const) {
    it(`comes whole (redirect: ${redirect})`, async () => {
      await using hub = await hubWithBlob({ redirect, cdnGzip: true })
      await using remote = remoteFor(hub.url)
      const transfer = await transferOf(remote)
      assert.deepEqual([transfer.size, transfer.start], [bytes.length, 0])
      assert.deepEqual(await bytesOf(transfer.body), bytes)
      assert.ok(hub.ledger.every((entry) => entry.headers['accept-encoding'] === 'identity'))
    })
  }

  it('uses each signed address once', async () => {
    await using hub = await hubWithBlob({ signatureUses: 1 })
    await using remote = remoteFor(hub.url)
    for (let n = 0; n < 4; n += 1) await bytesOf((await transferOf(remote)).body)
    assert.equal(hub.count({ kind: 'blob', status: 307 }), 4)
    assert.equal(hub.count({ kind: 'cdn', status: 200 }), 4)
  })

  it('of no bytes comes, too', async () => {
    await using hub = await hubWithBlob()
    await using remote = remoteFor(hub.url)
    const transfer = await remote.content.openBlob(alpine, digestFrom(empty.digest), undefined, signal)
    assert.equal(transfer?.size, 0)
    assert.equal((await bytesOf(transfer?.body ?? [])).length, 0)
  })

  it('that is not there is undefined', async () => {
    await using hub = await hubWithBlob()
    await using remote = remoteFor(hub.url)
    assert.equal(await remote.content.openBlob(alpine, missing, undefined, signal), undefined)
    assert.equal(await remote.content.describeBlob(alpine, missing, signal), undefined)
  })

  for (const range of [
    { start: 1000 },
    { start: 299_999 },
    { start: 10, end: 19 },
    { start: 0, end: 0 },
    { start: 299_000, end: 400_000 },
  ]) {
    it(`comes from ${range.start} to ${range.end ?? 'its end'}`, async () => {
      await using hub = await hubWithBlob()
      await using remote = remoteFor(hub.url)
      const transfer = await transferOf(remote, range)
      assert.deepEqual([transfer.size, transfer.start], [bytes.length, range.start])
      assert.deepEqual(await bytesOf(transfer.body), bytes.subarray(range.start, (range.end ?? bytes.length) + 1))
      assert.equal(hub.count({ kind: 'cdn', status: 206 }), 1)
    })
  }

  it('from an upstream that ignores ranges begins at 0', async () => {
    await using hub = await hubWithBlob()
    await using remote = remoteFor(hub.url)
    hub.script([{ on: { kind: 'cdn' }, ignoreRange: true }])
    const transfer = await transferOf(remote, { start: 1000 })
    assert.deepEqual([transfer.size, transfer.start], [bytes.length, 0])
    assert.deepEqual(await bytesOf(transfer.body), bytes)
  })

  it('without a length has no known size', async () => {
    await using hub = await hubWithBlob({ redirect: 'none' })
    await using remote = remoteFor(hub.url)
    hub.script([{ on: { kind: 'blob' }, after: 1, noContentLength: true }])
    const transfer = await transferOf(remote)
    assert.equal(transfer.size, undefined)
    assert.deepEqual(await bytesOf(transfer.body), bytes)
  })

  it('that a middlebox compresses unasked is decoded as it streams', async () => {
    await using hub = await hubWithBlob()
    await using remote = remoteFor(hub.url)
    hub.script([{ on: { kind: 'cdn' }, body: gzipSync(bytes), headers: { 'Content-Encoding': 'gzip' } }])
    const transfer = await transferOf(remote)
    assert.equal(transfer.size, undefined)
    assert.deepEqual(await bytesOf(transfer.body), bytes)
    hub.script([{ on: { kind: 'cdn' }, headers: { 'Content-Encoding': 'gzip' } }])
    await failureOf(bytesOf((await transferOf(remote)).body), 'broken')
    hub.script([{ on: { kind: 'cdn' }, headers: { 'Content-Encoding': 'compress' } }])
    await failureOf(transferOf(remote), 'broken')
    hub.script([{ on: { kind: 'cdn' }, headers: { 'Content-Encoding': 'gzip' } }])
    await failureOf(transferOf(remote, { start: 5 }), 'broken')
  })
})

describe('the size of a blob', () => {
  it('is told by HEAD of the registry; the CDN is not asked', async () => {
    await using hub = await hubWithBlob()
    await using remote = remoteFor(hub.url)
    assert.equal((await remote.content.describeBlob(alpine, digest, signal))?.descriptor.size, bytes.length)
    assert.equal(hub.count({ kind: 'cdn' }), 0)
  })

  const detours: readonly [string, HubOptions, Fault][] = [
    ['HEAD is redirected', { blobHead: 307 }, {}],
    ['HEAD is refused', {}, { status: 405 }],
    ['HEAD has no length', {}, { noContentLength: true }],
  ]
  for (const [name, options, fault] of detours) {
    it(`is learnt from one byte where ${name}, without a HEAD to the CDN`, async () => {
      await using hub = await hubWithBlob(options)
      await using remote = remoteFor(hub.url)
      await remote.content.describeBlob(alpine, missing, signal)
      hub.clearLedger()
      if (Object.keys(fault).length > 0) hub.script([{ on: { kind: 'blob', method: 'HEAD' }, ...fault }])
      const description = await remote.content.describeBlob(alpine, digest, signal)
      assert.deepEqual(description?.descriptor, { mediaType: 'application/octet-stream', digest, size: bytes.length })
      assert.equal(hub.count({ kind: 'cdn', method: 'HEAD' }), 0)
      assert.equal(hub.bytesSent({ kind: 'cdn' }), 1)
    })
  }

  it('is 0 for an empty blob that is asked for its first byte', async () => {
    await using hub = await hubWithBlob({ blobHead: 307 })
    await using remote = remoteFor(hub.url)
    assert.equal((await remote.content.describeBlob(alpine, digestFrom(empty.digest), signal))?.descriptor.size, 0)
  })

  it('that ranges can not tell comes from Content-Length, without the body', async () => {
    await using hub = await hubWithBlob({ blobHead: 307 })
    await using remote = remoteFor(hub.url)
    hub.script([{ on: { kind: 'cdn' }, ignoreRange: true }])
    assert.equal((await remote.content.describeBlob(alpine, digest, signal))?.descriptor.size, bytes.length)
  })

  for (const [status, kind] of [
    [500, 'unavailable'],
    [429, 'rate-limited'],
  ] as const) {
    it(`is ${kind} when HEAD says ${status}`, async () => {
      await using hub = await hubWithBlob()
      await using remote = remoteFor(hub.url)
      hub.script([{ on: { kind: 'blob' }, after: 1, status }])
      await failureOf(remote.content.describeBlob(alpine, digest, signal), kind)
    })
  }
})
