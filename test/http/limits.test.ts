import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { describe, it } from 'node:test'
import { Rates } from '../../src/http/limits.ts'
import { TestClock } from '../support/clock.ts'
import { type Registry, startRegistry } from '../support/registry.ts'
import { until } from '../support/until.ts'
import { ask, endOf, raw, statusLineOf } from './serving.ts'

const codeOf = (body: Buffer) => (JSON.parse(body.toString()) as { errors: { code: string }[] }).errors[0]?.code

function start(limits: Record<string, unknown>, clock?: TestClock): Promise<Registry> {
  return startRegistry({ config: { http: { addr: '127.0.0.1:0', limits } }, ...(clock === undefined ? {} : { clock }) })
}

describe('http.limits', () => {
  it('requestrate: so many a second for each client, whom a trusted proxy names', async () => {
    const clock = new TestClock()
    await using registry = await start({ requestrate: 3 }, clock)
    const asks = async (client: string) => (await ask(registry.port, '/v2/', { headers: { 'x-forwarded-for': client } })).status
    for (const expected of [200, 200, 200, 429]) assert.equal(await asks('198.51.100.1'), expected)
    assert.equal(await asks('203.0.113.9, 198.51.100.1'), 429, 'nobody is somebody else by writing so')
    assert.equal(await asks('198.51.100.2'), 200)
    const refused = await ask(registry.port, '/v2/a/manifests/b', { headers: { 'x-forwarded-for': '198.51.100.1' } })
    assert.deepEqual([refused.status, refused.headers['retry-after'], codeOf(refused.body)], [429, '1', 'TOOMANYREQUESTS'])
    clock.advance(334)
    assert.deepEqual([await asks('198.51.100.1'), await asks('198.51.100.1')], [200, 429])
  })

  it('rates of a crowd of addresses need bounded memory', () => {
    const rates = new Rates(1)
    for (let at = 0; at < 60_000; at += 1) rates.waitOf(String(at), 1_000)
    assert.equal(rates.size, 50_000)
    rates.waitOf('late', 100_000)
    assert.ok(rates.size < 50_001)
  })

  it('bodysize: 413, whether the length is told or not, and the connection can be used again', async () => {
    await using registry = await start({ bodysize: '1000' })
    const upload = async () => new URL(String((await ask(registry.port, '/v2/a/blobs/uploads/', { method: 'POST' })).headers['location']))
    const octets = { 'content-type': 'application/octet-stream' }
    const { pathname, search } = await upload()
    const told = await ask(registry.port, pathname + search, { method: 'PATCH', headers: octets, body: Buffer.alloc(1001) })
    assert.deepEqual([told.status, codeOf(told.body)], [413, 'SIZE_INVALID'])
    const chunks = `${(600).toString(16)}\r\n${'x'.repeat(600)}\r\n`
    const next = await upload()
    const head = `PATCH ${next.pathname}${next.search} HTTP/1.1\r\nHost: x\r\nContent-Type: application/octet-stream\r\nTransfer-Encoding: chunked\r\n\r\n`
    const answer = await raw(registry.port, `${head}${chunks}${chunks}0\r\n\r\nGET /v2/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`)
    assert.deepEqual(answer.bytes.toString().match(/HTTP\/1\.1 \d+/g), ['HTTP/1.1 413', 'HTTP/1.1 200'])
    const third = await upload()
    const small = await ask(registry.port, third.pathname + third.search, { method: 'PATCH', headers: octets, body: Buffer.alloc(1000) })
    assert.equal(small.status, 202)
  })

  it('headersize: 431 with a body', async () => {
    await using registry = await start({ headersize: '2000' })
    const answer = await raw(registry.port, `GET /v2/ HTTP/1.1\r\nHost: x\r\nX-Long: ${'x'.repeat(3000)}\r\n\r\n`)
    assert.equal(statusLineOf(answer), 'HTTP/1.1 431 Request Header Fields Too Large')
    assert.match(answer.bytes.toString(), /\{"errors":\[\{"code":"UNSUPPORTED","message":"request header fields too large"\}\]\}\n$/)
  })

  it('connections: the one too many is told 429; one that ends makes room', async () => {
    await using registry = await start({ connections: 2 })
    const [first, second] = [connect(registry.port, '127.0.0.1'), connect(registry.port, '127.0.0.1')]
    await Promise.all([once(first, 'connect'), once(second, 'connect')])
    first.write('GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n')
    await once(first, 'data')
    const third = await endOf(connect(registry.port, '127.0.0.1'))
    assert.equal(statusLineOf(third), 'HTTP/1.1 429 Too Many Requests')
    assert.match(third.bytes.toString(), /\r\nRetry-After: 1\r\n[^]*TOOMANYREQUESTS/)
    second.destroy()
    await until('there is room', async () => (await ask(registry.port, '/v2/').catch(() => ({ status: 0 }))).status === 200)
    first.destroy()
  })

  it('headertimeout ends who sends headers slowly, and not who reads slowly', async () => {
    await using registry = await start({ headertimeout: '300ms', idletimeout: '300ms' })
    const slow = connect(registry.port, '127.0.0.1')
    slow.write('GET /v2/ HTTP/1.1\r\nHost: x\r\n')
    const { ending, bytes } = await endOf(slow)
    assert.equal(ending, 'fin')
    assert.match(bytes.toString(), /^HTTP\/1\.1 408 /)
  })
})
