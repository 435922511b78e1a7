import assert from 'node:assert/strict'
import { rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { connect as connectTls } from 'node:tls'
import { type Authority, createAuthority, type Issued } from '../support/authority.ts'
import { TestClock } from '../support/clock.ts'
import { digestOf } from '../support/images.ts'
import { needsPackages } from '../support/packages.ts'
import { type Registry, startRegistry } from '../support/registry.ts'
import { until } from '../support/until.ts'
import { endOf, raw, seededBytes, statusLineOf } from '../http/serving.ts'
import { ask, askHttp2, handshake, openHttp2 } from './asking.ts'

const required = await needsPackages('tls/serving', ['openssl'])

describe('TLS', required, () => {
  const parts = new AsyncDisposableStack()
  let authority: Authority
  let server: Issued
  let registry: Registry
  let trust: { readonly ca: string }

  before(async () => {
    authority = parts.use(await createAuthority())
    server = await authority.issue('server')
    trust = { ca: authority.ca }
    registry = parts.use(await start({}))
  })
  after(() => parts.disposeAsync())

  function start(tls: Record<string, unknown>, more: { http?: Record<string, unknown>; clock?: TestClock } = {}): Promise<Registry> {
    const files = { certificate: server.certificateFile, key: server.keyFile }
    const http = { addr: '127.0.0.1:0', tls: { ...files, ...tls }, ...more.http }
    return startRegistry({ config: { http }, ...(more.clock === undefined ? {} : { clock: more.clock }) })
  }

  /** The handshake and one request, which is when a client of TLS 1.3 learns of a refusal. */
  const asks = (port: number, options: Record<string, unknown> = {}) =>
    ask(port, '/v2/', { ...trust, ...options }).then(
      ({ status }) => status,
      () => 'refused',
    )

  it('serves the API, and names itself by https', async () => {
    const base = await ask(registry.port, '/v2/', trust)
    assert.deepEqual([base.status, base.headers['docker-distribution-api-version']], [200, 'registry/2.0'])
    const begun = await ask(registry.port, '/v2/a/blobs/uploads/', trust, { method: 'POST' })
    assert.match(begun.headers.location ?? '', new RegExp(`^https://127\\.0\\.0\\.1:${registry.port}/v2/a/blobs/uploads/`))
  })

  it('a blob is pushed and pulled, whole and in ranges, over HTTP/1.1 and HTTP/2', async () => {
    const bytes = seededBytes(3_000_000)
    const digest = digestOf(bytes)
    const octets = { 'content-type': 'application/octet-stream' }
    const http1 = (path: string, asking = {}) => ask(registry.port, path, trust, asking)
    await using session = await openHttp2(registry.url, trust)
    const http2 = (path: string, asking = {}) => askHttp2(session, path, asking)
    for (const [name, talk] of [
      ['one', http1],
      ['two', http2],
    ] as const) {
      const begun = await talk(`/v2/${name}/blobs/uploads/`, { method: 'POST' })
      assert.equal(begun.status, 202)
      const location = new URL(begun.headers.location ?? '')
      assert.equal(location.origin, registry.url)
      const path = `${location.pathname}${location.search}`
      // Without a length over HTTP/2: the body is what comes until the end of the stream.
      const appended = await talk(path, { method: 'PATCH', body: bytes.subarray(0, 1_000_000), headers: octets })
      assert.deepEqual([appended.status, appended.headers.range], [202, '0-999999'])
      const next = new URL(appended.headers.location ?? '')
      const put = await talk(`${next.pathname}${next.search}&digest=${digest}`, {
        method: 'PUT',
        body: bytes.subarray(1_000_000),
        headers: octets,
      })
      assert.equal(put.status, 201)
      const whole = await talk(`/v2/${name}/blobs/${digest}`)
      assert.deepEqual([whole.status, whole.headers['content-length'], digestOf(whole.body)], [200, '3000000', digest])
      const part = await talk(`/v2/${name}/blobs/${digest}`, { headers: { range: 'bytes=5-1000004' } })
      assert.equal(part.status, 206)
      assert.deepEqual(part.body, bytes.subarray(5, 1_000_005))
      const head = await talk(`/v2/${name}/blobs/${digest}`, { method: 'HEAD' })
      assert.deepEqual([head.status, head.headers['content-length'], head.body.length], [200, '3000000', 0])
      assert.equal((await talk(`/v2/${name}/manifests/none`)).status, 404)
      assert.equal((await talk(`/v2/${name}/blobs/sha256:zz`)).status, 400)
    }
    // Many at once on one connection.
    const many = await Promise.all(Array.from({ length: 40 }, () => http2(`/v2/two/blobs/${digest}`)))
    assert.ok(many.every(({ body }) => digestOf(body) === digest))
    await until('the access log is written', () => registry.accessLog.join('').includes('HTTP/2.0" 206 1000000'))
    assert.ok(!registry.log.some((line) => line.includes('the client left')))
  })

  it('HTTP/2 can be switched off', async () => {
    await using plain = await start({}, { http: { http2: { disabled: true } } })
    for (const [port, protocol] of [
      [registry.port, 'h2'],
      [plain.port, 'http/1.1'],
    ] as const) {
      const socket = await handshake(port, { ...trust, ALPNProtocols: ['h2', 'http/1.1'] })
      assert.equal(socket.alpnProtocol, protocol)
      socket.destroy()
    }
  })

  it('plain HTTP on the port for TLS is told so', async () => {
    const answer = await raw(registry.port, 'GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n')
    assert.equal(statusLineOf(answer), 'HTTP/1.1 400 Bad Request')
    assert.match(answer.bytes.toString(), /\r\n\r\nClient sent an HTTP request to an HTTPS server\.\n$/)
    assert.equal(answer.ending, 'fin')
  })

  it('the least version holds', async () => {
    await using modern = await start({ minimumtls: 'tls1.3' })
    assert.equal(await asks(modern.port, { maxVersion: 'TLSv1.2' }), 'refused')
    assert.equal(await asks(modern.port), 200)
    assert.equal(await asks(registry.port, { maxVersion: 'TLSv1.2' }), 200)
    assert.equal(await asks(registry.port, { maxVersion: 'TLSv1.1', minVersion: 'TLSv1', ciphers: 'DEFAULT@SECLEVEL=0' }), 'refused')
  })

  it("cipher suites are those that are named, in Go's words", async () => {
    const suite = 'TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256'
    await using narrow = await start({ ciphersuites: [suite] })
    const socket = await handshake(narrow.port, { ...trust, maxVersion: 'TLSv1.2' })
    assert.equal(socket.getCipher().standardName, suite)
    socket.destroy()
    assert.equal(await asks(narrow.port, { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES128-GCM-SHA256' }), 'refused')
    assert.equal(await asks(narrow.port), 200)
  })

  it('client certificates: all four words, and none', async () => {
    const [mine, strangers] = [await authority.issue('client'), await createAuthority('nobody known')]
    parts.use(strangers)
    const theirs = await strangers.issue('stranger')
    const client = { cert: mine.certificate, key: mine.key }
    const stranger = { cert: theirs.certificate, key: theirs.key }
    const expected = {
      'request-client-cert': [200, 200, 200],
      'require-any-client-cert': ['refused', 200, 200],
      'verify-client-cert-if-given': [200, 'refused', 200],
      'require-and-verify-client-cert': ['refused', 'refused', 200],
    } as const
    for (const [clientauth, answers] of Object.entries({ ...expected, '': expected['require-and-verify-client-cert'] })) {
      await using mutual = await start({ clientcas: [authority.caFile], ...(clientauth === '' ? {} : { clientauth }) })
      const found = [await asks(mutual.port), await asks(mutual.port, stranger), await asks(mutual.port, client)]
      assert.deepEqual(found, answers, clientauth)
    }
  })

  it('a new certificate comes into use without a dropped connection; a broken one does not', async () => {
    const clock = new TestClock()
    const files = await authority.issue('rotating')
    await using rotating = await start({ certificate: files.certificateFile, key: files.keyFile }, { clock })
    const shown = async () => {
      const socket = await handshake(rotating.port, trust)
      const { subject } = socket.getPeerCertificate()
      socket.destroy()
      return subject.CN
    }
    const kept = connectTls({ host: '127.0.0.1', port: rotating.port, ...trust })
    assert.equal(await shown(), 'rotating')

    const replace = async (file: string, text: string) => {
      await writeFile(`${file}.new`, text)
      await rename(`${file}.new`, file)
    }
    const next = await authority.issue('next')
    // Only one of the two: they do not belong together.
    await replace(files.certificateFile, next.certificate)
    clock.advance(5_000)
    await until('the log tells', () => rotating.log.some((line) => line.includes('the new certificate cannot be used')))
    assert.equal(await shown(), 'rotating')
    await replace(files.keyFile, next.key)
    clock.advance(5_000)
    await until('the log tells', () => rotating.log.some((line) => line.includes('a new certificate is in use')))
    assert.equal(await shown(), 'next')

    kept.write('GET /v2/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
    assert.equal(statusLineOf(await endOf(kept)), 'HTTP/1.1 200 OK')
  })

  it('does not start without its files, and says which', async () => {
    const missing = join(authority.folder, 'missing.pem')
    await assert.rejects(start({ certificate: missing }), /http\.tls\.certificate: cannot read .*missing\.pem/)
    await assert.rejects(start({ key: authority.caFile }), /are no certificate with its key/)
    await assert.rejects(start({ clientcas: [missing] }), /http\.tls\.clientcas: cannot read/)
  })

  it('stops while clients are connected over HTTP/2, and lets them finish', async () => {
    const stopping = await start({})
    const session = await openHttp2(stopping.url, trust)
    assert.equal((await askHttp2(session, '/v2/')).status, 200)
    await stopping[Symbol.asyncDispose]()
    assert.ok(session.closed || session.destroyed)
  })
})

describe('HTTP/2 without TLS', () => {
  it('is spoken by prior knowledge where it is enabled, beside HTTP/1.1', async () => {
    await using registry = await startRegistry({ config: { http: { addr: '127.0.0.1:0', h2c: { enabled: true } } } })
    await using session = await openHttp2(registry.url)
    assert.equal((await askHttp2(session, '/v2/')).status, 200)
    assert.equal((await fetch(`${registry.url}/v2/`)).status, 200)
    assert.equal(statusLineOf(await raw(registry.port, 'nonsense\r\n\r\n')), 'HTTP/1.1 400 Bad Request')
  })
})
