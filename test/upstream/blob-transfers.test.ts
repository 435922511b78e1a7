// Transfers of blobs: CDNs in trouble, transfers that break or are left, redirects.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { UpstreamFailureKind } from '../../src/content.ts'
import type { Fault } from '../support/hub/hub.ts'
import { alpine, bytes, digest, hubWithBlob, transferOf } from './one-blob.ts'
import { bytesOf, failureOf, remoteFor, scriptedServer } from './remote.ts'

describe('a CDN in trouble', () => {
  it('with an expired signature makes us ask the registry again, once', async () => {
    await using hub = await hubWithBlob()
    await using remote = remoteFor(hub.url)
    hub.script([{ on: { kind: 'cdn' }, status: 403 }])
    assert.deepEqual(await bytesOf((await transferOf(remote)).body), bytes)
    assert.equal(hub.count({ kind: 'blob', status: 307 }), 2)
    hub.script([{ on: { kind: 'cdn' }, status: 403, times: Number.POSITIVE_INFINITY }])
    await failureOf(transferOf(remote), 'denied')
    assert.equal(hub.count({ kind: 'blob', status: 307 }), 4)
  })

  it('that is down makes us ask the registry again, once', async () => {
    await using hub = await hubWithBlob({ cdn: 'cdn-a' })
    await using remote = remoteFor(hub.url)
    await hub.down('cdn-a')
    await failureOf(transferOf(remote), 'unreachable')
    assert.equal(hub.count({ kind: 'blob', status: 307 }), 2)
  })

  it('that answers 503 is unavailable, 429 rate-limited', async () => {
    await using hub = await hubWithBlob()
    await using remote = remoteFor(hub.url)
    hub.script([
      { on: { kind: 'cdn' }, status: 503 },
      { on: { kind: 'cdn' }, status: 429, retryAfterSeconds: 5 },
    ])
    await failureOf(transferOf(remote), 'unavailable')
    assert.equal((await failureOf(transferOf(remote), 'rate-limited')).retryAfterSeconds, 5)
  })

  it('beyond the end is broken, not missing', async () => {
    await using hub = await hubWithBlob()
    await using remote = remoteFor(hub.url)
    await failureOf(transferOf(remote, { start: bytes.length }), 'broken')
  })

  it('with another range than asked for is broken', async () => {
    await using hub = await hubWithBlob()
    await using remote = remoteFor(hub.url)
    hub.script([{ on: { kind: 'cdn' }, wrongContentRange: true }])
    await failureOf(transferOf(remote, { start: 10, end: 20 }), 'broken')
    for (const fault of [{ headers: { 'Content-Range': undefined } }, { extraBytes: 3 }, { truncateTo: 3 }]) {
      hub.script([{ on: { kind: 'cdn' }, ...fault }])
      await failureOf(transferOf(remote, { start: 10, end: 20 }), 'broken')
    }
    assert.deepEqual(hub.unusedRules(), [])
  })

  const endings: readonly [string, Fault, UpstreamFailureKind][] = [
    ['is cut', { cutAfterBytes: 100_000 }, 'unreachable'],
    ['is reset', { resetAfterBytes: 100_000 }, 'unreachable'],
    ['is cut right after the headers', { cutAfterBytes: 0 }, 'unreachable'],
    ['stalls', { stallAfterBytes: 100_000 }, 'timeout'],
  ]
  for (const [name, fault, kind] of endings) {
    it(`whose transfer ${name} is ${kind}, after the bytes that came`, async () => {
      await using hub = await hubWithBlob()
      await using remote = remoteFor(hub.url, { bodyIdleTimeoutMs: 300 })
      hub.script([{ on: { kind: 'cdn' }, ...fault }])
      const transfer = await transferOf(remote)
      const received: Buffer[] = []
      const reading = (async () => {
        for await (const chunk of transfer.body) received.push(Buffer.from(chunk))
      })()
      await failureOf(reading, kind)
      const got = Buffer.concat(received)
      assert.ok(got.length <= 100_000)
      assert.deepEqual(got, bytes.subarray(0, got.length))
    })
  }

  it('that sends at every moment, but slowly, is not timed out', async () => {
    await using hub = await hubWithBlob()
    await using remote = remoteFor(hub.url, { bodyIdleTimeoutMs: 500 })
    hub.script([{ on: { kind: 'cdn' }, bytesPerSecond: 250_000 }])
    assert.deepEqual(await bytesOf((await transferOf(remote)).body), bytes)
  })
})

describe('a transfer', () => {
  for (const [name, leave] of [
    ['before its first byte', async (body: AsyncIterator<Uint8Array>) => void (await body.return?.())],
    ['by close before anybody reads', (_: unknown, transfer: { close(): void }) => transfer.close()],
    [
      'after its first chunk',
      async (body: AsyncIterator<Uint8Array>) => {
        await body.next()
        await body.return?.()
      },
    ],
  ] as const) {
    it(`that is left ${name} frees its connection`, async () => {
      await using hub = await hubWithBlob({ cdn: 'cdn-a', bytesPerSecond: 100_000 })
      await using remote = remoteFor(hub.url)
      const transfer = await transferOf(remote)
      await leave(transfer.body[Symbol.asyncIterator](), transfer)
      transfer.close()
      await hub.seen({ kind: 'cdn', done: true })
      assert.equal(hub.find({ kind: 'cdn' })[0]?.cut, 'client')
    })
  }

  it('ends with its signal, and with the reason of it', async () => {
    await using hub = await hubWithBlob()
    await using remote = remoteFor(hub.url)
    hub.script([{ on: { kind: 'cdn' }, stallAfterBytes: 10 }])
    const leaver = new AbortController()
    const transfer = await remote.content.openBlob(alpine, digest, undefined, leaver.signal)
    const body = transfer?.body[Symbol.asyncIterator]()
    await body?.next()
    const next = body?.next()
    leaver.abort(new Error('enough'))
    await assert.rejects(async () => next, /enough/)
    await hub.seen({ kind: 'cdn', done: true })
  })

  it('of whole connections is used again for the next', async () => {
    await using hub = await hubWithBlob({ cdn: 'cdn-a' })
    await using remote = remoteFor(hub.url)
    for (let n = 0; n < 5; n += 1) await bytesOf((await transferOf(remote)).body)
    assert.deepEqual(new Set(hub.find({ kind: 'cdn' }).map((entry) => entry.connection)).size, 1)
    assert.equal(hub.connections('registry').most, 1)
  })
})

describe('redirects', () => {
  it('of more than five hops are broken', async () => {
    await using server = await scriptedServer((_, response) => response.writeHead(307, { location: '/again' }).end())
    await using remote = remoteFor(server.url)
    await failureOf(transferOf(remote), 'broken')
    assert.equal(server.requests.length, 6)
  })

  it('may be relative, and keep Authorization within the origin', async () => {
    await using server = await scriptedServer((request, response) => {
      if (request.headers.authorization === undefined) return response.writeHead(401, { 'www-authenticate': 'Basic realm="r"' }).end()
      if (request.url?.includes('/blobs/') === true) return response.writeHead(307, { location: '../data?x=1' }).end()
      return response.end(bytes)
    })
    await using remote = remoteFor(server.url, { username: 'u', password: 'p' })
    assert.deepEqual(await bytesOf((await transferOf(remote)).body), bytes)
    assert.equal(server.requests.at(-1)?.url, '/v2/library/alpine/data?x=1')
  })

  it('without a Location are broken', async () => {
    await using server = await scriptedServer((_, response) => response.writeHead(307).end())
    await using remote = remoteFor(server.url)
    await failureOf(transferOf(remote), 'broken')
  })
})
