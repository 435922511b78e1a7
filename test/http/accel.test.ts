// `http.accel: nginx` with a real nginx and the example's file: what clients get is what they would get without it.
import assert from 'node:assert/strict'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { type Authority, createAuthority } from '../support/authority.ts'
import { digestOf } from '../support/images.ts'
import { needsPackages } from '../support/packages.ts'
import { type Registry, startRegistry } from '../support/registry.ts'
import { type Proxy, startNginx } from '../support/servers/proxies.ts'
import { type Answer, ask as askTls } from '../tls/asking.ts'
import { ask as askPlain, seededBytes } from './serving.ts'

const required = await needsPackages('http/accel', ['nginx', 'openssl'])
const bytes = seededBytes(700_000)
const digest = digestOf(bytes)
const path = `/v2/a/blobs/${digest}`

describe('http.accel: nginx', required, () => {
  const parts = new AsyncDisposableStack()
  let authority: Authority
  let registry: Registry
  let proxy: Proxy

  before(async () => {
    authority = parts.use(await createAuthority())
    const server = await authority.issue('server')
    const folder = await mkdtemp(join(tmpdir(), 'ent-accel-'))
    parts.defer(() => rm(folder, { recursive: true, force: true }))
    await chmod(folder, 0o755)
    registry = parts.use(await startRegistry({ folder, config: { http: { addr: '127.0.0.1:0', accel: 'nginx' } } }))
    const begun = await askPlain(registry.port, '/v2/a/blobs/uploads/', { method: 'POST' })
    const location = new URL(String(begun.headers['location']))
    const headers = { 'content-type': 'application/octet-stream' }
    const put = await askPlain(registry.port, `${location.pathname}${location.search}&digest=${digest}`, {
      method: 'PUT',
      headers,
      body: bytes,
    })
    assert.equal(put.status, 201)
    proxy = parts.use(
      await startNginx({
        example: 'nginx-accel.conf',
        substitutions: {
          '127.0.0.1:5000': `127.0.0.1:${registry.port}`,
          '/etc/nginx/ssl/registry.crt': server.certificateFile,
          '/etc/nginx/ssl/registry.key': server.keyFile,
          '/var/lib/registry/': `${folder}/`,
        },
      }),
    )
  })
  after(() => parts.disposeAsync())

  const through = (asked: string, headers: Record<string, string> = {}, method = 'GET') =>
    askTls(proxy.port, asked, { ca: authority.ca }, { method, headers })
  const directly = (headers: Record<string, string> = {}, method = 'GET') => askPlain(registry.port, path, { method, headers })
  const told = ({ status, headers, body }: Pick<Answer, 'status' | 'body'> & { headers: Record<string, unknown> }) => {
    const names = ['content-length', 'content-range', 'content-type', 'docker-content-digest', 'etag', 'x-cache', 'cache-control']
    return { status, body: digestOf(body), headers: Object.fromEntries(names.map((name) => [name, headers[name]])) }
  }

  for (const [what, headers] of Object.entries<Record<string, string>>({
    whole: {},
    'one range': { range: 'bytes=100-299999' },
    'the end': { range: 'bytes=-5' },
    'from the middle on': { range: 'bytes=650000-' },
    'a range that lies outside': { range: 'bytes=700000-' },
    'what the client has': { 'if-none-match': `"${digest}"` },
    'a range on a condition that holds': { range: 'bytes=1-2', 'if-range': `"${digest}"` },
    'a range on a condition that does not': { range: 'bytes=1-2', 'if-range': '"other"' },
    'several ranges': { range: 'bytes=0-1,5-6' },
  })) {
    it(`the answer is the same: ${what}`, async () => {
      assert.deepEqual(told(await through(path, headers)), told(await directly(headers)))
    })
  }

  it('HEAD tells the length', async () => {
    const { status, headers } = await through(path, {}, 'HEAD')
    assert.deepEqual([status, headers['content-length'], headers['docker-content-digest']], [200, '700000', digest])
  })

  it('it is nginx that sends the bytes', async () => {
    await through(path)
    const accelerated = await askPlain(registry.port, path, { headers: { 'x-accel-location': '/entrepot-files/' } })
    assert.match(
      String(accelerated.headers['x-accel-redirect']),
      /^\/entrepot-files\/docker\/registry\/v2\/blobs\/sha256\/[a-f0-9]{2}\/[a-f0-9]{64}\/data$/,
    )
    assert.equal(accelerated.body.length, 0)
  })

  it('nobody gets at the files by their addresses, or is told them', async () => {
    const hex = digest.slice('sha256:'.length)
    assert.equal((await through(`/entrepot-files/docker/registry/v2/blobs/sha256/${hex.slice(0, 2)}/${hex}/data`)).status, 404)
    const answer = await through(path, { 'x-accel-location': '/elsewhere/' })
    assert.deepEqual([answer.status, answer.headers['x-accel-redirect'], answer.body.length], [200, undefined, bytes.length])
    for (const location of ['/a/../b/', 'x', '/a b/', '/a\\/', '//']) {
      assert.equal((await directly({ 'x-accel-location': location })).headers['x-accel-redirect'], undefined)
    }
  })

  it('a peer that is not trusted gets the bytes', async () => {
    const http = { addr: '127.0.0.1:0', accel: 'nginx', trustedproxies: ['10.0.0.0/8'] }
    await using strict = await startRegistry({ folder: registry.folder, config: { http } })
    const answer = await askPlain(strict.port, path, { headers: { 'x-accel-location': '/entrepot-files/' } })
    assert.deepEqual([answer.headers['x-accel-redirect'], answer.body.length], [undefined, bytes.length])
  })

  it('needs files', async () => {
    const config = { http: { addr: '127.0.0.1:0', accel: 'nginx' }, storage: { inmemory: {} } }
    await assert.rejects(startRegistry({ config }), /http\.accel: nginx can only send what lies in files/)
  })
})
