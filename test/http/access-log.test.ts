import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { AccessLog } from '../../src/http/middleware/access-log.ts'
import type { Clock } from '../../src/lib/clock.ts'
import { ask, blobOf, contentOf, manifestOf, raw, seededBytes, serve, until } from './serving.ts'

const at = Date.UTC(2026, 10, 21, 3, 4, 5)

/** A clock whose sleepers wake when the test says so. */
function handClock() {
  const sleepers: (() => void)[] = []
  const clock: Clock = { now: () => at, sleep: () => new Promise((resolve) => sleepers.push(resolve)) }
  return { clock, sleepers }
}

async function loggedServing(options: Parameters<typeof serve>[0] = {}) {
  const written: string[] = []
  const { clock, sleepers } = handClock()
  const accessLog = new AccessLog({ write: (text) => written.push(text) }, clock)
  const serving = await serve({ accessLog, clock, ...options })
  const lines = async (count: number) => {
    await until('the requests are over', () => serving.requests.size === 0)
    accessLog.flush()
    await until('the lines are there', () => (accessLog.flush(), written.join('').split('\n').length > count))
    return written.join('').split('\n').slice(0, -1)
  }
  return { serving, written, sleepers, lines, accessLog, [Symbol.asyncDispose]: () => serving[Symbol.asyncDispose]() }
}

describe('the access log', () => {
  it('has one line per request in the combined format', async () => {
    const bytes = seededBytes(100)
    const manifest = manifestOf('{}')
    await using logged = await loggedServing({
      content: contentOf({ findBlob: async () => blobOf(bytes), findManifest: async () => manifest }),
    })
    const { port } = logged.serving
    const digest = `sha256:${'ab'.repeat(32)}`
    await ask(port, '/v2/a/manifests/b?ns=docker.io', { headers: { 'user-agent': 'containerd/2.1', referer: 'http://r/' } })
    await ask(port, `/v2/a/blobs/${digest}`, { headers: { range: 'bytes=0-9' } })
    await ask(port, '/v2/', { method: 'HEAD' })
    await ask(port, '/nowhere')
    assert.deepEqual(await logged.lines(4), [
      '127.0.0.1 - - [21/Nov/2026:03:04:05 +0000] "GET /v2/a/manifests/b?ns=docker.io HTTP/1.1" 200 2 "http://r/" "containerd/2.1"',
      `127.0.0.1 - - [21/Nov/2026:03:04:05 +0000] "GET /v2/a/blobs/${digest} HTTP/1.1" 206 10 "" ""`,
      '127.0.0.1 - - [21/Nov/2026:03:04:05 +0000] "HEAD /v2/ HTTP/1.1" 200 0 "" ""',
      '127.0.0.1 - - [21/Nov/2026:03:04:05 +0000] "GET /nowhere HTTP/1.1" 404 19 "" ""',
    ])
  })

  it('can not be forged by what clients send', async () => {
    await using logged = await loggedServing()
    await raw(logged.serving.port, 'GET /v2/?"x\\ HTTP/1.1\r\nHost: x\r\nConnection: close\r\nUser-Agent: a" 200 1 "\\\t\u00ff\r\n\r\n')
    const [line] = await logged.lines(1)
    assert.match(line ?? '', /"GET \/v2\/\?\\"x\\\\ HTTP\/1\.1" 200 2 "" "a\\" 200 1 \\"\\\\\\x09\\xc3\\xbf"$/)
  })

  it('gathers lines and writes them together when its time has come', async () => {
    await using logged = await loggedServing()
    for (let i = 0; i < 5; i += 1) await ask(logged.serving.port, '/')
    await until('the requests are over', () => logged.serving.requests.size === 0)
    assert.deepEqual([logged.written.length, logged.sleepers.length], [0, 1])
    logged.sleepers[0]?.()
    await until('the lines are out', () => logged.written.length > 0)
    assert.equal(logged.written.length, 1)
    await logged.accessLog[Symbol.asyncDispose]()
    assert.equal(logged.written.join('').split('\n').length, 6)
  })

  it('writes early when much has gathered', async () => {
    await using logged = await loggedServing()
    const agent = 'a'.repeat(20_000)
    for (let i = 0; i < 4; i += 1) await ask(logged.serving.port, '/', { headers: { 'user-agent': agent } })
    await until('lines are out without their time having come', () => logged.written.length === 1)
  })
})

describe('the client in the access log', () => {
  const cases: [string, Record<string, string>, readonly string[] | undefined, string][] = [
    ['is whom a proxy of ours saw', { 'x-forwarded-for': '203.0.113.7, 10.0.0.1' }, undefined, '203.0.113.7'],
    ['is not what a client wrote before that', { 'x-forwarded-for': '192.0.2.66, 203.0.113.7' }, undefined, '203.0.113.7'],
    ['may be seen with its port', { 'x-forwarded-for': '192.0.2.66, 203.0.113.7:4711' }, undefined, '203.0.113.7'],
    ['may be seen with its port and have an IPv6 address', { 'x-forwarded-for': '[2001:db8::1]:4711' }, undefined, '2001:db8::1'],
    ['is not looked for behind nonsense', { 'x-forwarded-for': '192.0.2.66, nonsense, 10.0.0.1' }, undefined, '10.0.0.1'],
    ['may have an IPv6 address', { 'x-forwarded-for': '2001:db8::1' }, undefined, '2001:db8::1'],
    ['is one that is an address', { 'x-forwarded-for': 'unknown, 203.0.113.7' }, undefined, '203.0.113.7'],
    ['may come in X-Real-Ip', { 'x-real-ip': '203.0.113.8' }, undefined, '203.0.113.8'],
    ['is the peer when the header is nonsense', { 'x-forwarded-for': '" evil' }, undefined, '127.0.0.1'],
    ['is the peer when the peer is not trusted', { 'x-forwarded-for': '203.0.113.7' }, ['192.0.2.0/24'], '127.0.0.1'],
    ['is the peer when nobody is trusted', { 'x-forwarded-for': '203.0.113.7' }, [], '127.0.0.1'],
  ]
  for (const [name, headers, trustedProxies, expected] of cases) {
    it(name, async () => {
      await using logged = await loggedServing({ trustedProxies })
      await ask(logged.serving.port, '/', { headers })
      assert.equal((await logged.lines(1))[0]?.split(' ')[0], expected)
    })
  }
})
