import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import acme from 'acme-client'
import { LocalLeases } from '../../src/cluster/local-leases.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { silentLog } from '../../src/telemetry/log.ts'
import { LetsEncrypt } from '../../src/tls/lets-encrypt.ts'
import { TestClock } from '../support/clock.ts'
import { needsPackages } from '../support/packages.ts'
import { type Registry, startRegistry } from '../support/registry.ts'
import { type Pebble, startPebble } from '../support/servers/pebble.ts'
import { freePort } from '../support/free-port.ts'
import { until } from '../support/until.ts'
import { ask, handshake } from './asking.ts'
import { endOrders } from './end-orders.ts'

const required = await needsPackages('tls/lets-encrypt', ['pebble', 'openssl'])
const host = 'registry.example.com'
const dayMs = 24 * 60 * 60 * 1000

describe("Let's Encrypt", required, () => {
  const parts = new AsyncDisposableStack()
  let folder: string
  let port: number
  let pebble: Pebble

  before(async () => {
    port = await freePort()
    // Every fifth nonce is refused, and valid authorizations are not used again.
    const env = { PEBBLE_WFE_NONCEREJECT: '20', PEBBLE_AUTHZREUSE: '0' }
    pebble = parts.use(await startPebble({ tlsPort: port, httpPort: port, env }))
    acme.axios.defaults.httpsAgent = pebble.agent
    folder = await mkdtemp(join(tmpdir(), 'entrepot-acme-'))
    parts.defer(() => rm(folder, { recursive: true, force: true }))
  })
  after(async () => {
    endOrders()
    await parts.disposeAsync()
  })

  function start(more: { cachefile?: string; clock?: TestClock; hosts?: readonly string[] } = {}): Promise<Registry> {
    const { cachefile = join(folder, 'kept'), clock, hosts = [host] } = more
    const letsencrypt = { email: 'me@example.com', hosts, cachefile, directoryurl: pebble.directoryUrl }
    const http = { addr: `127.0.0.1:${port}`, tls: { letsencrypt } }
    return startRegistry({ config: { http }, ...(clock === undefined ? {} : { clock }) })
  }

  const shown = async (servername = host) => {
    const socket = await handshake(port, { servername, ca: await pebble.root() })
    const { fingerprint256 } = socket.getPeerCertificate()
    socket.destroy()
    return fingerprint256
  }

  it('a certificate is had by TLS-ALPN-01 on the port itself; a client that comes early waits in its handshake', async () => {
    await using registry = await start()
    const answer = await ask(port, '/v2/', { servername: host, ca: await pebble.root() })
    assert.equal(answer.status, 200)
    assert.ok(registry.log.some((line) => line.includes('a new certificate is in use')))
    const names = await readdir(join(folder, 'kept'))
    assert.deepEqual(names.toSorted(), ['acme_account+key', host])
    for (const name of names) assert.equal((await stat(join(folder, 'kept', name))).mode & 0o777, 0o600)
  })

  it('the next start uses what is kept, and so does another replica', async () => {
    const before = new X509Certificate(
      await readFile(join(folder, 'kept', host), 'utf8').then((text) => text.slice(text.indexOf('-----BEGIN CERT'))),
    )
    await using _registry = await start()
    assert.equal(await shown(), before.fingerprint256)
  })

  it('names that are not its own get no certificate', async () => {
    await using _registry = await start()
    await assert.rejects(shown('other.example.com'))
  })

  it('it is renewed when a third of its life is left, and the old one serves until then', async () => {
    const clock = new TestClock()
    await using registry = await start({ clock })
    const old = await shown()
    // Pebble's certificates live for five years.
    for (let hour = 0; hour < 3; hour += 1) {
      clock.advance(60 * 60 * 1000)
      await new Promise((resolve) => setImmediate(resolve))
    }
    assert.equal(await shown(), old)
    clock.advance(5 * 365 * dayMs * 0.7)
    const renewed = () => {
      // Whoever fell asleep meanwhile wakes, too.
      clock.advance(60_000)
      return registry.log.some((line) => line.includes('a new certificate is in use'))
    }
    await until('it is renewed', renewed, 20_000)
    assert.notEqual(await shown(), old)
  })

  it('two replicas that share the folder and the leases order once', async () => {
    const orders = () => (pebble.log().match(/Issued certificate/g) ?? []).length
    const leases = new LocalLeases()
    const options = {
      email: undefined,
      hosts: [host],
      folder: join(folder, 'shared'),
      directoryUrl: pebble.directoryUrl,
      handshake: {},
      leases,
    }
    const before = orders()
    // Challenges of the others come to this one, which shares their folder.
    await using _registry = await start({ cachefile: join(folder, 'shared'), hosts: ['other.example.com'] })
    await using _other = LetsEncrypt.open({ ...options, clock: systemClock, log: silentLog })
    await using _third = LetsEncrypt.open({ ...options, clock: systemClock, log: silentLog })
    const kept = join(folder, 'shared', host)
    await until(
      'it is there',
      () =>
        readFile(kept).then(
          () => true,
          () => false,
        ),
      20_000,
    )
    await until('all are content', async () => (await leases.holderOf(`acme:${host}`)) === undefined, 20_000)
    // One for this host, and one for that of the server.
    assert.ok(orders() - before <= 2, `${orders() - before} orders`)
    assert.equal(orders() - before >= 1, true)
  })

  it('http-01 on the same port, when TLS-ALPN-01 does not work', async () => {
    const clock = new TestClock()
    const cachefile = join(folder, 'plain')
    await using registry = await start({ cachefile, clock, hosts: ['a..b.example.com'] })
    await until('it failed', () => registry.log.some((line) => line.includes('no certificate could be had')), 20_000)
    assert.ok(registry.log.some((line) => line.includes('againInSeconds=300')))
    await writeFile(join(cachefile, 'token-1+http-01'), 'token-1.thumbprint')
    const answer = await fetch(`http://127.0.0.1:${port}/.well-known/acme-challenge/token-1`)
    assert.deepEqual([answer.status, await answer.text()], [200, 'token-1.thumbprint'])
    assert.equal((await fetch(`http://127.0.0.1:${port}/.well-known/acme-challenge/other`)).status, 400)
  })
})
