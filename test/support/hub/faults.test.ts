// Every fault that the stand-in Hub can be told to have, as its client sees it.
import assert from 'node:assert/strict'
import { afterEach, beforeEach, test } from 'node:test'
import { bigBlob, digestOf, ociImage } from '../images.ts'
import { HubClient } from './client.ts'
import { abuse429, abuse429LineFeeds, type Hub, type Rule, startHub, tokenBurst429 } from './hub.ts'

let hub: Hub
let client: HubClient
const image = ociImage({ seed: 1, layerBytes: 200_000 })
const [, layer = ''] = [...image.blobs.keys()]
const size = image.blobs.get(layer)?.size ?? 0

beforeEach(async () => {
  hub = await startHub()
  client = new HubClient(hub)
  hub.add('team/app', image, { tags: ['1'] })
})
afterEach(async () => {
  assert.deepEqual(hub.unusedRules(), [])
  await client[Symbol.asyncDispose]()
  await hub.close()
})

const onCdn = { kind: 'cdn', method: 'GET' } as const

/** What a client gets of a blob: the status, as many bytes as came, and how it ended. */
async function received(headers: Record<string, string> = {}): Promise<{ bytes: number; end: string; announced: number }> {
  const answer = await client.open(await client.signedUrl('team/app', layer), { headers })
  const announced = Number(answer.headers['content-length'])
  let bytes = 0
  try {
    for await (const chunk of answer.body) bytes += (chunk as Buffer).length
    return { bytes, end: 'whole', announced }
  } catch (error) {
    return { bytes, end: (error as { code?: string }).code ?? '', announced }
  }
}

test('a cut ends with FIN after exactly so many bytes, a reset with RST, and the ledger says so', async () => {
  hub.script([
    { on: onCdn, cutAfterBytes: 100_000 },
    { on: onCdn, cutAfterBytes: 0 },
    { on: onCdn, resetAfterBytes: 70_000 },
  ])
  assert.deepEqual(await received(), { bytes: 100_000, end: 'UND_ERR_SOCKET', announced: size })
  assert.deepEqual(await received(), { bytes: 0, end: 'UND_ERR_SOCKET', announced: size })
  assert.equal((await received()).end, 'ECONNRESET')
  assert.deepEqual(await received(), { bytes: size, end: 'whole', announced: size })
  const entries = hub.find(onCdn)
  assert.deepEqual(
    entries.map(({ cut, bytesSent }) => [cut, bytesSent]),
    [
      ['cut', 100_000],
      ['cut', 0],
      ['reset', 70_000],
      [undefined, size],
    ],
  )
})

test('a stalled body goes on when it is told to, or not at all', async () => {
  const { promise, resolve } = Promise.withResolvers<void>()
  hub.script([{ on: onCdn, stallAfterBytes: 1000, until: promise }])
  const coming = received()
  await hub.seen({ ...onCdn, minBytes: 1000 })
  assert.equal(hub.bytesSent(onCdn), 1000)
  resolve()
  assert.equal((await coming).bytes, size)
  hub.script([{ on: onCdn, stallAfterBytes: 0 }])
  const answer = await client.open(await client.signedUrl('team/app', layer))
  assert.equal(answer.headers['content-length'], String(size))
  answer.body.on('error', () => {}).destroy()
  await hub.seen({ ...onCdn, done: true }, 2)
})

test('an answer can be held, never begin, or be a closed connection', async () => {
  const { promise, resolve } = Promise.withResolvers<void>()
  hub.script([{ on: onCdn, holdUntil: promise }])
  const coming = received()
  const [held] = await hub.seen(onCdn)
  assert.equal(held?.status, 0)
  resolve()
  assert.equal((await coming).end, 'whole')
  hub.script([
    { on: onCdn, refuse: true },
    { on: { kind: 'manifest' }, hang: true },
  ])
  await assert.rejects(received(), { code: 'UND_ERR_SOCKET' })
  const impatient = new HubClient(hub, { headersTimeout: 50 })
  await assert.rejects(impatient.pull('team/app', 'manifests/1'), { code: 'UND_ERR_HEADERS_TIMEOUT' })
  await impatient[Symbol.asyncDispose]()
})

test('bytes come slowly, one answer or the whole line', async () => {
  hub.script([{ on: onCdn, bytesPerSecond: 1_000_000 }])
  let from = performance.now()
  assert.equal((await received()).bytes, size)
  const one = performance.now() - from
  assert.ok(one > 140, `200 KB at 1 MB/s took ${one} ms`)
  hub.bytesPerSecond = 2_000_000
  from = performance.now()
  await Promise.all([received(), received()])
  const two = performance.now() - from
  assert.ok(two > 140, `twice 200 KB at 2 MB/s took ${two} ms`)
})

test('bodies are wrong, short, long, or not of the range, with lengths that match', async () => {
  const get = async (rule: Omit<Rule, 'on'>, headers = {}) => {
    hub.script([{ on: onCdn, ...rule }])
    return client.blob('team/app', layer, { headers })
  }
  const whole = (await client.blob('team/app', layer)).body
  const wrong = (await get({ wrongBytes: true })).body
  assert.equal(wrong.length, size)
  assert.notEqual(digestOf(wrong), layer)
  assert.deepEqual((await get({ wrongBytes: -1 })).body.subarray(0, -1), whole.subarray(0, -1))
  assert.deepEqual((await get({ truncateTo: 10 })).body, whole.subarray(0, 10))
  assert.equal((await get({ extraBytes: 5 })).headers['content-length'], String(size + 5))
  const ignored = await get({ ignoreRange: true }, { range: 'bytes=5-9' })
  assert.deepEqual([ignored.status, ignored.body.length], [200, size])
  const off = await get({ wrongContentRange: true }, { range: 'bytes=5-9' })
  assert.deepEqual([off.status, off.headers['content-range'], off.body.length], [206, `bytes 6-10/${size}`, 5])
  assert.equal((await get({ noContentLength: true })).headers['transfer-encoding'], 'chunked')
})

test('manifests lose or change headers, are too large, or are a login page', async () => {
  const get = async (rule: Omit<Rule, 'on'>) => {
    hub.script([{ on: { kind: 'manifest', reference: '1' }, ...rule }])
    return client.pull('team/app', 'manifests/1')
  }
  assert.equal((await get({ noContentType: true })).headers['content-type'], undefined)
  assert.equal((await get({ noDigestHeader: true })).headers['docker-content-digest'], undefined)
  const lied = await get({ wrongDigestHeader: true })
  assert.notEqual(lied.headers['docker-content-digest'], digestOf(lied.body))
  const large = await get({ tooLarge: true })
  assert.ok(large.body.length > 4 * 1024 * 1024)
  assert.equal(large.headers['docker-content-digest'], digestOf(large.body))
  const portal = await get({ html200: true })
  assert.deepEqual([portal.status, portal.headers['content-type']], [200, 'text/html'])
  assert.equal((await get({ headers: { 'X-Odd': 'yes', ETag: undefined } })).headers['x-odd'], 'yes')
})

test('statuses come as HTML or JSON, challenges as the registry’s own, all without charging the quota', async () => {
  const get = async (rule: Omit<Rule, 'on'>) => {
    hub.script([{ on: { kind: 'manifest' }, ...rule }])
    return client.pull('team/app', 'manifests/1')
  }
  for (const status of [500, 502, 503, 504]) {
    const reply = await get({ status })
    assert.deepEqual([reply.status, reply.headers['content-type']], [status, 'text/html'])
  }
  const slow = await get({ status: 429, retryAfterSeconds: 30 })
  assert.deepEqual([slow.status, slow.headers['retry-after'], slow.headers['content-type']], [429, '30', 'application/json'])
  assert.match(
    (await get({ challenge: 'invalid_token' })).headers['www-authenticate'] ?? '',
    /scope="repository:team\/app:pull",error="invalid_token"$/,
  )
  const abuse = await get(abuse429)
  assert.deepEqual([abuse.status, abuse.headers['retry-after'], abuse.headers['content-type']], [429, '60', 'text/plain'])
  await assert.rejects(get(abuse429LineFeeds), { name: 'HTTPParserError' })
  hub.script([{ on: { kind: 'token' }, ...tokenBurst429 }])
  assert.deepEqual((await client.askToken('team/app')).json(), { detail: 'Rate limit exceeded', error: false })
  assert.equal(hub.quotaUsed(), 0)
})

test('a kept-alive connection is closed behind the answer, or with notice', async () => {
  hub.script([{ on: { kind: 'ping' }, connectionClose: true }])
  assert.equal((await client.ask(`${hub.url}/v2/`)).headers['connection'], 'close')
  hub.script([{ on: { kind: 'ping' }, closeKeepAlive: true }])
  assert.equal((await client.ask(`${hub.url}/v2/`)).headers['connection'], 'keep-alive')
  await client.ask(`${hub.url}/v2/`)
  const connections = hub.find({ kind: 'ping' }).map((entry) => entry.connection)
  assert.equal(new Set(connections).size, 3)
})

test('rules apply in order, so often, after so many, and unused ones are told', async () => {
  hub.script([{ on: { kind: 'ping' }, times: 2, after: 1, status: 503 }])
  const statuses: number[] = []
  for (let turn = 0; turn < 2; turn += 1) statuses.push((await client.ask(`${hub.url}/v2/`)).status)
  assert.equal(hub.unusedRules().length, 1)
  for (let turn = 0; turn < 2; turn += 1) statuses.push((await client.ask(`${hub.url}/v2/`)).status)
  assert.deepEqual(statuses, [401, 503, 503, 401])
  hub.script([{ on: { kind: 'ping' }, times: Number.POSITIVE_INFINITY, status: 500 }])
  assert.equal((await client.ask(`${hub.url}/v2/`)).status, 500)
})

test('a client that leaves is noted, with what it was sent; overlapping requests are counted', async () => {
  const blob = await bigBlob({ seed: 'leaver', size: 64 * 1024 * 1024 })
  hub.addBlob('team/app', blob)
  const open = async () => client.open(await client.signedUrl('team/app', blob.digest))
  const both = await Promise.all([open(), open()])
  for (const answer of both) answer.body.on('error', () => {}).destroy()
  const [first] = await hub.seen({ kind: 'cdn', digest: blob.digest, done: true }, 2)
  assert.equal(first?.cut, 'client')
  assert.ok((first?.bytesSent ?? 0) < blob.size)
  assert.equal(hub.maxConcurrent({ digest: blob.digest, kind: 'cdn' }), 2)
})

test('a generated blob has the same bytes from any offset', async () => {
  const blob = await bigBlob({ seed: 'ranges', size: 3_000_000 })
  hub.addBlob('team/app', blob)
  const whole = (await client.blob('team/app', blob.digest)).body
  assert.equal(digestOf(whole), blob.digest)
  const part = await client.blob('team/app', blob.digest, { headers: { range: 'bytes=1000001-2999998' } })
  assert.deepEqual(part.body, whole.subarray(1_000_001, 2_999_999))
})
