// A certificate by HTTP-01, where TLS-ALPN-01 does not come through: a whole order with pebble, whose port 80 leads to the port of TLS.
import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import acme from 'acme-client'
import { TestClock } from '../support/clock.ts'
import { freePort } from '../support/free-port.ts'
import { needsPackages } from '../support/packages.ts'
import { type Registry, startRegistry } from '../support/registry.ts'
import { type Pebble, startPebble } from '../support/servers/pebble.ts'
import { until } from '../support/until.ts'
import { ask, handshake } from './asking.ts'
import { endOrders } from './end-orders.ts'

const host = 'registry.example.com'

describe("Let's Encrypt by HTTP-01", await needsPackages('tls/lets-encrypt', ['pebble', 'openssl']), () => {
  const parts = new AsyncDisposableStack()
  const clock = new TestClock()
  let port: number
  let folder: string
  let pebble: Pebble
  let registry: Registry

  before(async () => {
    port = await freePort()
    // Nobody listens where pebble looks for TLS-ALPN-01.
    pebble = parts.use(await startPebble({ tlsPort: await freePort(), httpPort: port, env: { PEBBLE_AUTHZREUSE: '0' } }))
    acme.axios.defaults.httpsAgent = pebble.agent
    folder = await mkdtemp(join(tmpdir(), 'entrepot-acme-'))
    parts.defer(() => rm(folder, { recursive: true, force: true }))
    const letsencrypt = { email: 'me@example.com', hosts: [host], cachefile: folder, directoryurl: pebble.directoryUrl }
    registry = parts.use(await startRegistry({ clock, config: { http: { addr: `127.0.0.1:${port}`, tls: { letsencrypt } } } }))
  })
  after(async () => {
    endOrders()
    await parts.disposeAsync()
  })

  const said = (words: string) => registry.log.some((line) => line.includes(words))

  it('the second try is by HTTP-01, and a client that waits in its handshake since before gets what it gives', async () => {
    const waiting = ask(port, '/v2/', { servername: host, ca: await pebble.root() })
    await until('TLS-ALPN-01 has failed', () => said('no certificate could be had'), 20_000)
    assert.ok(said('againInSeconds=300'))
    clock.advance(300_000)
    await until('there is a certificate', () => said('a new certificate is in use'), 20_000)
    assert.equal((await waiting).status, 200)
    assert.match(pebble.log(), /Attempting to validate w\/ HTTP: http:\/\/registry\.example\.com:\d+\/\.well-known\/acme-challenge\//)
    const socket = await handshake(port, { servername: host, ca: await pebble.root() })
    assert.equal(socket.getPeerCertificate().subjectaltname, `DNS:${host}`)
    socket.destroy()
  })

  it('what proved it is gone afterwards', async () => {
    assert.deepEqual((await readdir(folder)).toSorted(), ['acme_account+key', host])
    assert.equal((await fetch(`http://127.0.0.1:${port}/.well-known/acme-challenge/token`)).status, 400)
  })

  it('who still waits when the server stops is let go', async () => {
    const letsencrypt = { hosts: ['late.example.com'], cachefile: join(folder, 'late'), directoryurl: 'https://127.0.0.1:1/dir' }
    const late = await startRegistry({ config: { http: { addr: '127.0.0.1:0', tls: { letsencrypt } } } })
    const refused = assert.rejects(handshake(late.port, { servername: 'late.example.com' }))
    // What was sent before has come by the time that this is answered.
    for (let turn = 0; turn < 3; turn += 1) assert.equal((await fetch(`http://127.0.0.1:${late.port}/`)).status, 400)
    await late[Symbol.asyncDispose]()
    await refused
  })
})
