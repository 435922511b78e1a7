// What lies below HTTP in the stand-in Hub: names, TLS, HTTP/2, IPv6, the forward proxy, and ports that are closed, silent or a void.
import assert from 'node:assert/strict'
import { lookup } from 'node:dns/promises'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { ProxyAgent, request } from 'undici'
import { digestOf, ociImage } from '../images.ts'
import { HubClient } from './client.ts'
import { dockerHubNames, type HubOptions, startHub } from './hub.ts'

const image = ociImage({ seed: 1 })
const [, layer = ''] = [...image.blobs.keys()]

async function started(options: HubOptions = {}) {
  const hub = await startHub(options)
  hub.add('alpine', image, { tags: ['1'] })
  const ca = options.tls === true || options.http2 === true ? readFileSync(hub.caFile, 'utf8') : undefined
  const client = new HubClient(hub, {
    connect: { timeout: 300, ...(ca === undefined ? {} : { ca }) },
    headersTimeout: 300,
    // No connection is kept, so that each question meets the network as it is then.
    pipelining: 0,
    allowH2: options.http2 === true,
  })
  const close = async () => {
    await client[Symbol.asyncDispose]()
    await hub.close()
  }
  return { hub, client, ca, [Symbol.asyncDispose]: close }
}

async function codeOf(action: Promise<unknown>): Promise<string> {
  return action.then(
    () => 'no error',
    (error: unknown) => (error as { code?: string }).code ?? String(error),
  )
}

test('names of the stand-in lead to loopback, all others to the system’s resolver', async () => {
  assert.deepEqual(await lookup('registry-1.docker.hub.test'), { address: '127.0.0.1', family: 4 })
  assert.deepEqual(await lookup('any.v6.hub.test', { all: true }), [{ address: '::1', family: 6 }])
  assert.equal((await lookup('127.0.0.1')).address, '127.0.0.1')
})

test('a part that is down refuses connections, and comes back on the same port', async () => {
  await using it = await started()
  const url = it.hub.url
  await it.hub.down('registry')
  assert.equal(await codeOf(it.client.ask(`${url}/v2/`)), 'ECONNREFUSED')
  assert.equal((await it.client.askToken('library/alpine')).status, 200)
  await it.hub.up('registry')
  assert.equal((await it.client.ask(`${url}/v2/`)).status, 401)
})

test('a black hole lets nobody connect, a mute part connects and says nothing', async () => {
  await using it = await started()
  await it.hub.blackHole('registry')
  assert.equal(await codeOf(it.client.ask(`${it.hub.url}/v2/`)), 'UND_ERR_CONNECT_TIMEOUT')
  await it.hub.mute('registry')
  assert.equal(await codeOf(it.client.ask(`${it.hub.url}/v2/`)), 'UND_ERR_HEADERS_TIMEOUT')
  await it.hub.up('registry')
  assert.equal((await it.client.ask(`${it.hub.url}/v2/`)).status, 401)
})

test('TLS is trusted by its CA, and can fail by a strange certificate or by no TLS at all', async () => {
  await using it = await started({ tls: true })
  assert.equal(digestOf((await it.client.blob('library/alpine', layer)).body), layer)
  await it.hub.breakTls('registry', 'untrusted')
  assert.match(await codeOf(it.client.ask(`${it.hub.url}/v2/`)), /SELF_SIGNED/)
  await it.hub.breakTls('registry', 'garbage')
  assert.match(await codeOf(it.client.ask(`${it.hub.url}/v2/`)), /ERR_SSL/)
  await it.hub.up('registry')
  assert.equal((await it.client.ask(`${it.hub.url}/v2/`)).status, 401)
})

test('faults reach through TLS and HTTP/2 down to the connection', async () => {
  for (const options of [{ tls: true }, { http2: true }] satisfies HubOptions[]) {
    await using it = await started(options)
    it.hub.script([
      { on: { kind: 'cdn' }, cutAfterBytes: 100 },
      { on: { kind: 'cdn' }, resetAfterBytes: 100 },
      { on: { kind: 'cdn' }, refuse: true },
    ])
    for (let turn = 0; turn < 3; turn += 1) assert.notEqual(await codeOf(it.client.blob('library/alpine', layer)), 'no error')
    assert.equal(digestOf((await it.client.blob('library/alpine', layer)).body), layer)
    assert.deepEqual(
      it.hub.find({ kind: 'cdn' }).map((entry) => entry.cut),
      ['cut', 'reset', 'refuse', undefined],
    )
  }
})

test('HTTP/2 has lower-case headers and no hop-by-hop ones, and HTTP/1.1 beside it', async () => {
  await using it = await started({ http2: true })
  const reply = await it.client.pull('library/alpine', 'manifests/1')
  assert.equal(reply.status, 200)
  assert.equal(reply.headers['connection'], undefined)
  const old = new HubClient(it.hub, { connect: { ca: it.ca ?? '' }, allowH2: false })
  assert.equal((await old.ask(`${it.hub.url}/v2/`)).headers['connection'], 'keep-alive')
  await old[Symbol.asyncDispose]()
})

test('it can be had by IPv6', async () => {
  await using it = await started({ ipv6: true })
  assert.match(it.hub.url, /\.v6\.hub\.test:/)
  assert.equal(digestOf((await it.client.blob('library/alpine', layer)).body), layer)
})

test('a skewed clock shows in what is said, not in how long tokens live', async () => {
  await using it = await started({ clockSkewSeconds: -3600 })
  const reply = await it.client.askToken('library/alpine')
  const { issued_at: issuedAt } = reply.json() as { issued_at: string }
  for (const said of [issuedAt, reply.headers['date'] ?? '']) {
    const behind = (Date.now() - Date.parse(said)) / 1000
    assert.ok(behind > 3500 && behind < 3700, said)
  }
  assert.equal((await it.client.pull('library/alpine', 'manifests/1')).status, 200)
})

test('through the forward proxy it is Docker Hub by name, and strangers are turned away', async () => {
  await using it = await started({ tls: true, forwardProxy: true, proxyNames: dockerHubNames })
  assert.equal(it.hub.url, 'https://registry-1.docker.io')
  const dispatcher = new ProxyAgent({ uri: it.hub.proxyUrl, requestTls: { ca: it.ca ?? '' } })
  const ping = await request('https://registry-1.docker.io/v2/', { dispatcher })
  await ping.body.dump()
  assert.match(String(ping.headers['www-authenticate']), /realm="https:\/\/auth\.docker\.io\/token"/)
  const token = await request('https://auth.docker.io/token?scope=repository:library/alpine:pull', { dispatcher })
  const { token: bearer } = (await token.body.json()) as { token: string }
  const headers = { authorization: `Bearer ${bearer}` }
  const redirect = await request(`https://registry-1.docker.io/v2/library/alpine/blobs/${layer}`, { dispatcher, headers })
  await redirect.body.dump()
  const blob = await request(String(redirect.headers['location']), { dispatcher })
  assert.equal(digestOf(Buffer.from(await blob.body.arrayBuffer())), layer)
  assert.notEqual(await codeOf(request('https://www.stranger.test/', { dispatcher })), 'no error')
  assert.deepEqual(
    it.hub
      .find({ kind: 'connect' })
      .map(({ url, status }) => [url, status])
      .at(-1),
    ['www.stranger.test:443', 502],
  )
  await dispatcher.destroy()
})

test('the forward proxy takes absolute-form requests, and asks for a password when it has one', async () => {
  await using it = await started({ forwardProxy: true, proxyCredentials: { user: 'u', password: 'p' } })
  const through = async (token?: string) => {
    const dispatcher = new ProxyAgent({ uri: it.hub.proxyUrl, proxyTunnel: false, ...(token === undefined ? {} : { token }) })
    try {
      const answer = await request(`${it.hub.url}/v2/`, { dispatcher })
      await answer.body.dump()
      return answer.statusCode
    } finally {
      await dispatcher.destroy()
    }
  }
  assert.equal(await through(`Basic ${Buffer.from('u:p').toString('base64')}`), 401)
  await assert.rejects(through(), /407/)
  assert.deepEqual(
    it.hub.find({ at: 'proxy' }).map((entry) => entry.status),
    [401, 407],
  )
})
