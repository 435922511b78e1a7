// 2,000 connections that send their headers a byte at a time, or nothing, while others pull: those others notice nothing, and the slow
// ones are ended. With `http.limits.connections` one address cannot hold more than its share.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { describe, it } from 'node:test'
import { digestOf } from '../support/images.ts'
import { type Registry, startRegistry } from '../support/registry.ts'
import { until } from '../support/until.ts'
import { ask, seededBytes } from '../http/serving.ts'

const connections = 2_000
const bytes = seededBytes(8_000_000)
const digest = digestOf(bytes)

async function filled(http: Record<string, unknown>): Promise<Registry> {
  const registry = await startRegistry({ config: { http: { addr: '127.0.0.1:0', ...http } } })
  const begun = await ask(registry.port, '/v2/a/blobs/uploads/', { method: 'POST' })
  const { pathname, search } = new URL(String(begun.headers['location']))
  const headers = { 'content-type': 'application/octet-stream' }
  assert.equal((await ask(registry.port, `${pathname}${search}&digest=${digest}`, { method: 'PUT', headers, body: bytes })).status, 201)
  return registry
}

/** From 127.0.0.2, so that limits of an address tell them from the others. */
async function attack(port: number): Promise<{ readonly sockets: readonly Socket[]; open(): number }> {
  const sockets: Socket[] = []
  let closed = 0
  for (let at = 0; at < connections; at += 1) {
    const socket = connect({ host: '127.0.0.1', port, localAddress: '127.0.0.2' })
    socket.on('error', () => undefined).on('close', () => (closed += 1))
    socket.resume()
    sockets.push(socket)
    if (at % 100 === 99) await once(socket, 'connect').catch(() => undefined)
    if (at % 2 === 0) socket.write('GET /v2/ HTTP/1.1\r\nHost: x\r\nX-Slow: ')
  }
  return { sockets, open: () => connections - closed }
}

async function pullsAreWell(port: number): Promise<number> {
  const startedAt = performance.now()
  for (let at = 0; at < 10; at += 1) {
    assert.equal((await ask(port, '/v2/')).status, 200)
    assert.equal(digestOf((await ask(port, `/v2/a/blobs/${digest}`)).body), digest)
  }
  return performance.now() - startedAt
}

describe('slowloris', () => {
  it('others pull as before, and the slow ones are ended', async () => {
    await using registry = await filled({ limits: { headertimeout: '5s' } })
    const alone = await pullsAreWell(registry.port)
    const { sockets, open } = await attack(registry.port)
    const among = await pullsAreWell(registry.port)
    assert.ok(among < 5 * alone + 1000, `${among.toFixed(0)} ms among them, ${alone.toFixed(0)} ms alone`)
    for (const socket of sockets) if (socket.writable) socket.write('x')
    await until('the slow ones are ended', () => open() === 0, 30_000)
    await pullsAreWell(registry.port)
  })

  it('one address cannot hold more than its share of connections', async () => {
    await using registry = await filled({ limits: { connections: 100 } })
    const { sockets, open } = await attack(registry.port)
    await until('the rest is refused', () => open() <= 100, 30_000)
    await pullsAreWell(registry.port)
    for (const socket of sockets) socket.destroy()
  })
})
