// The way to the upstream: time-outs, dead connections, certificates, proxies, IPv6, and answers that are not HTTP.
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { createServer, type Socket } from 'node:net'
import { afterEach, describe, it } from 'node:test'
import { abuse429, abuse429LineFeeds, type HubOptions, startHub } from '../support/hub/hub.ts'
import { memoryBlob, ociImage, seededBytes } from '../support/images.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { bytesOf, digestFrom, failureOf, remoteFor, repositoryOf, scriptedServer, tagOf } from './remote.ts'

const image = ociImage({ seed: 'transport' })
const blob = memoryBlob(Buffer.from(seededBytes('transport', 50_000)))
const alpine = repositoryOf('alpine')
const latest = tagOf('latest')
const { signal } = new AbortController()

async function hubWithImage(options: HubOptions = {}) {
  const hub = await startHub(options)
  hub.add('alpine', image, { tags: ['latest'] })
  hub.addBlob('alpine', blob)
  return hub
}

type Remote = ReturnType<typeof remoteFor>
const find = (remote: Remote) => remote.content.findManifest(alpine, latest, signal)
async function pullBlob(remote: Remote): Promise<Buffer> {
  const transfer = await remote.content.openBlob(alpine, digestFrom(blob.digest), undefined, signal)
  return bytesOf(transfer?.body ?? [])
}

describe('an upstream that', () => {
  it('refuses connections is unreachable, and found again when it is back', async () => {
    await using hub = await hubWithImage()
    await using remote = remoteFor(hub.url)
    await hub.down()
    const failure = await failureOf(find(remote), 'unreachable')
    assert.match(failure.message, /registry-1\.docker\.hub\.test/)
    await hub.up()
    assert.ok(await find(remote))
  })

  it('has no address is unreachable', async () => {
    await using remote = remoteFor('https://registry.invalid')
    await failureOf(find(remote), 'unreachable')
  })

  it('does not take connections is timed out soon', async () => {
    await using hub = await hubWithImage()
    await using remote = remoteFor(hub.url, { connectTimeoutMs: 300 })
    await hub.blackHole('registry')
    await failureOf(find(remote), 'timeout')
  })

  it('takes connections and is silent is timed out', async () => {
    await using hub = await hubWithImage()
    await using remote = remoteFor(hub.url, { headersTimeoutMs: 300 })
    await hub.mute('registry')
    await failureOf(find(remote), 'timeout')
  })

  it('is silent in the TLS handshake is timed out', async () => {
    await using hub = await hubWithImage({ tls: true })
    await using remote = remoteFor(hub.url, { connectTimeoutMs: 300, ca: await readFile(hub.caFile, 'utf8') })
    await hub.mute('registry')
    await failureOf(find(remote), 'timeout')
  })

  for (const part of ['auth', 'cdn-a'] as const) {
    for (const trouble of ['mute', 'blackHole', 'down'] as const) {
      it(`has a part (${part}) that is in trouble (${trouble}) fails in time`, async () => {
        await using hub = await hubWithImage({ cdn: 'cdn-a' })
        await using remote = remoteFor(hub.url, { connectTimeoutMs: 300, headersTimeoutMs: 300 })
        await hub[trouble](part)
        await failureOf(pullBlob(remote), trouble === 'down' ? 'unreachable' : 'timeout')
        await hub.up(part)
        assert.equal((await pullBlob(remote)).length, blob.size)
      })
    }
  }

  it('hangs at one request is timed out there', async () => {
    await using hub = await hubWithImage()
    await using remote = remoteFor(hub.url, { headersTimeoutMs: 300 })
    assert.ok(await find(remote))
    hub.script([{ on: { kind: 'manifest' }, hang: true }])
    await failureOf(find(remote), 'timeout')
  })

  it('closes a kept connection just as it is used again is asked once more, at once', async () => {
    await using hub = await hubWithImage()
    await using remote = remoteFor(hub.url)
    assert.ok(await find(remote))
    hub.script([{ on: { kind: 'manifest', reused: true }, refuse: true }])
    // A connection counts as free a moment after its answer, so the first of these may open another.
    for (let n = 0; n < 3; n += 1) assert.ok(await find(remote))
    assert.deepEqual(hub.unusedRules(), [])
  })

  it('closes connections after answering, announced or not, does not matter', async () => {
    await using hub = await hubWithImage()
    await using remote = remoteFor(hub.url)
    for (const fault of [{ closeKeepAlive: true }, { connectionClose: true }]) {
      hub.script([{ on: { kind: 'manifest' }, ...fault }])
      assert.ok(await find(remote))
      assert.ok(await find(remote))
    }
  })

  it('closes every connection unanswered is unreachable after two tries', async () => {
    await using hub = await hubWithImage()
    await using remote = remoteFor(hub.url)
    hub.script([{ on: { at: 'registry' }, refuse: true, times: Number.POSITIVE_INFINITY }])
    await failureOf(find(remote), 'unreachable')
    assert.equal(hub.count({ at: 'registry' }), 2)
  })

  it('answers 429 of its abuse limit is rate-limited', async () => {
    await using hub = await hubWithImage()
    await using remote = remoteFor(hub.url)
    hub.script([{ on: { kind: 'manifest' }, ...abuse429 }])
    assert.equal((await failureOf(find(remote), 'rate-limited')).retryAfterSeconds, 60)
  })

  it('answers what is not HTTP asks for a pause, and is not asked again at once', async () => {
    await using hub = await hubWithImage()
    await using remote = remoteFor(hub.url)
    assert.ok(await find(remote))
    hub.clearLedger()
    hub.script([{ on: { kind: 'manifest' }, ...abuse429LineFeeds }])
    const failure = await failureOf(find(remote))
    assert.ok(['broken', 'rate-limited'].includes(failure.kind), failure.kind)
    assert.equal(failure.retryAfterSeconds, 60)
    assert.equal(hub.count({ at: 'registry' }), 1)
    hub.script([{ on: { kind: 'manifest' }, rawBytes: 'SSH-2.0-OpenSSH_9.2\r\n' }])
    assert.equal((await failureOf(find(remote), 'broken')).retryAfterSeconds, 60)
    assert.ok(await find(remote))
  })

  it('speaks HTTP/2, too, is spoken to in HTTP/1.1', async () => {
    await using hub = await hubWithImage({ http2: true })
    await using remote = remoteFor(hub.url, { ca: await readFile(hub.caFile, 'utf8') })
    assert.ok(await find(remote))
    assert.deepEqual(await pullBlob(remote), Buffer.from(seededBytes('transport', 50_000)))
  })

  it('listens on IPv6 only is reached, by name and by address', async () => {
    await using hub = await hubWithImage({ ipv6: true })
    await using remote = remoteFor(hub.url)
    assert.ok(await find(remote))
    assert.equal((await pullBlob(remote)).length, blob.size)
    await using byAddress = remoteFor(`http://[::1]:${new URL(hub.url).port}`)
    assert.ok(await find(byAddress))
  })

  it('lives below a path is asked there', async () => {
    await using server = await scriptedServer((_, response) => response.writeHead(404).end())
    await using remote = remoteFor(`${server.url}/mirror/of/hub/`)
    assert.equal(await find(remote), undefined)
    assert.equal(server.requests[0]?.url, '/mirror/of/hub/v2/library/alpine/manifests/latest')
  })
})

describe('certificates', () => {
  it('of an unknown authority make the upstream unreachable', async () => {
    await using hub = await hubWithImage({ tls: true })
    await using remote = remoteFor(hub.url)
    await failureOf(find(remote), 'unreachable')
  })

  it('of an authority that is given are good', async () => {
    await using hub = await hubWithImage({ tls: true })
    await using remote = remoteFor(hub.url, { ca: await readFile(hub.caFile, 'utf8') })
    assert.ok(await find(remote))
    assert.equal((await pullBlob(remote)).length, blob.size)
    await hub.breakTls('registry')
    await hub.seen({ kind: 'manifest', done: true })
    await using later = remoteFor(hub.url, { ca: await readFile(hub.caFile, 'utf8') })
    await failureOf(find(later), 'unreachable')
  })

  it('are not looked at where that is switched off', async () => {
    await using hub = await hubWithImage({ tls: true })
    await using remote = remoteFor(hub.url, { insecure: true })
    assert.ok(await find(remote))
  })
})

describe('a proxy of the environment', () => {
  const names = ['HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY', 'http_proxy', 'https_proxy', 'no_proxy']
  const kept = names.map((name) => [name, process.env[name]] as const)
  function set(values: Readonly<Record<string, string>>): void {
    for (const name of names) delete process.env[name]
    Object.assign(process.env, values)
  }
  afterEach(() => {
    set({})
    for (const [name, value] of kept) if (value !== undefined) process.env[name] = value
  })

  for (const variable of ['HTTPS_PROXY', 'https_proxy']) {
    it(`(${variable}) carries https, tokens and CDNs included`, async () => {
      await using hub = await hubWithImage({ tls: true, forwardProxy: true })
      set({ [variable]: hub.proxyUrl })
      await using remote = remoteFor(hub.url, { ca: await readFile(hub.caFile, 'utf8') })
      assert.ok(await find(remote))
      assert.equal((await pullBlob(remote)).length, blob.size)
      const targets = new Set(
        hub.find({ kind: 'connect' }).map((entry) =>
          entry.url
            .split(':')[0]
            ?.split('.')[0]
            ?.replace(/-[ab]$/, ''),
        ),
      )
      assert.deepEqual(targets, new Set(['registry-1', 'auth', 'cdn']))
    })
  }

  it('(HTTP_PROXY) carries http', async () => {
    await using hub = await hubWithImage({ forwardProxy: true })
    set({ HTTP_PROXY: hub.proxyUrl.replace('http://', '') })
    await using remote = remoteFor(hub.url)
    assert.ok(await find(remote))
    assert.ok(hub.count({ at: 'proxy' }) >= 3, hub.describeLedger())
  })

  it('may want a password', async () => {
    await using hub = await hubWithImage({ tls: true, forwardProxy: true, proxyCredentials: { user: 'me', password: 'pr0xy' } })
    const ca = await readFile(hub.caFile, 'utf8')
    set({ HTTPS_PROXY: hub.proxyUrl.replace('http://', 'http://me:pr0xy@') })
    await using remote = remoteFor(hub.url, { ca })
    assert.ok(await find(remote))
    set({ HTTPS_PROXY: hub.proxyUrl })
    await using without = remoteFor(hub.url, { ca })
    await failureOf(find(without), 'unreachable')
  })

  it('(NO_PROXY) is left out for what it names', async () => {
    await using hub = await hubWithImage({ forwardProxy: true })
    set({ HTTP_PROXY: hub.proxyUrl, NO_PROXY: 'example.com,.hub.test' })
    await using remote = remoteFor(hub.url)
    assert.ok(await find(remote))
    assert.equal(hub.count({ at: 'proxy' }), 0)
  })

  it('is not used for this machine itself', async () => {
    set({ HTTP_PROXY: 'http://127.0.0.1:1' })
    await using server = await scriptedServer((_, response) => response.writeHead(404).end())
    await using remote = remoteFor(server.url)
    assert.equal(await find(remote), undefined)
  })

  it('that is silent is timed out', async () => {
    const sockets = new Set<Socket>()
    const silent = createServer((socket) => void sockets.add(socket.on('error', () => {})))
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
    try {
      const { port } = silent.address() as { port: number }
      set({ HTTPS_PROXY: `http://127.0.0.1:${port}` })
      await using remote = remoteFor('https://registry.hub.test', { clock: systemClock, connectTimeoutMs: 100, headersTimeoutMs: 100 })
      await failureOf(find(remote), 'timeout')
    } finally {
      for (const socket of sockets) socket.destroy()
      silent.close()
    }
  })
})

describe('closing the client', () => {
  it('ends transfers and refuses later questions', async () => {
    await using hub = await hubWithImage()
    const remote = remoteFor(hub.url)
    hub.script([{ on: { kind: 'cdn' }, stallAfterBytes: 10 }])
    const pulling = failureOf(pullBlob(remote), 'unreachable')
    await hub.seen({ kind: 'cdn', minBytes: 10 })
    await remote.content.close()
    await pulling
    await failureOf(find(remote), 'unreachable')
    await remote.content.close()
  })

  it('ends a question whose connection is not there yet', async () => {
    await using hub = await hubWithImage()
    const remote = remoteFor(hub.url)
    await hub.blackHole('registry')
    const asking = failureOf(find(remote), 'unreachable')
    await remote.content.close()
    await asking
  })

  it('leaves nothing open when nothing was asked', async () => {
    const remote = remoteFor('https://registry-1.docker.io')
    await remote.content.close()
  })
})
