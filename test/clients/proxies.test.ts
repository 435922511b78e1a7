// Clients push and pull through nginx and Apache, which run with the files of config/examples and ask for passwords themselves.
import assert from 'node:assert/strict'
import { chmod, copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { type Authority, createAuthority, type Issued } from '../support/authority.ts'
import { BUSYBOX, busyboxImage } from '../support/busybox-image.ts'
import { needsRootAndPackages } from '../support/packages.ts'
import { type Registry, startRegistry } from '../support/registry.ts'
import { type Dockerd, startDockerd } from '../support/servers/dockerd.ts'
import { runProgram } from '../support/servers/program.ts'
import { type Proxy, startApache, startNginx } from '../support/servers/proxies.ts'
import { pushImage } from '../support/servers/push.ts'
import { openSkopeo } from '../support/servers/skopeo.ts'
import { ask } from '../tls/asking.ts'

const packages = ['apache2', 'apache2-utils', 'docker.io', 'containerd', 'nginx', 'skopeo', 'busybox-static', 'openssl'] as const
const required = await needsRootAndPackages('clients/proxies', packages)
const [user, password] = ['testuser', 'testpassword']

describe('behind a proxy', required, () => {
  const parts = new AsyncDisposableStack()
  let authority: Authority
  let server: Issued
  let registry: Registry
  let folder: string
  let docker: Dockerd['docker']
  const at = (name: string) => join(folder, name)

  before(async () => {
    authority = parts.use(await createAuthority())
    server = await authority.issue('server')
    registry = parts.use(await startRegistry())
    docker = parts.use(await startDockerd({ mirrors: [] })).docker
    folder = await mkdtemp(join(tmpdir(), 'ent-proxies-'))
    parts.defer(() => rm(folder, { recursive: true, force: true }))
    // The proxies' workers are other users.
    await chmod(folder, 0o755)
    await runProgram('htpasswd', ['-cBb', at('htpasswd'), user, password])
    await runProgram('htpasswd', ['-Bb', at('htpasswd'), 'reader', password])
    await writeFile(at('groups'), `pusher: ${user}\n`)
    await pushImage(registry, 'given/hello', await busyboxImage('hello behind a proxy'), ['latest'])
  })
  after(() => parts.disposeAsync())

  const nginx = (example: string, more: Record<string, string> = {}) =>
    startNginx({ example, substitutions: { '127.0.0.1:5000': `127.0.0.1:${registry.port}`, ...more } })
  const certificate = () => ({ '/etc/nginx/ssl/registry.crt': server.certificateFile, '/etc/nginx/ssl/registry.key': server.keyFile })

  async function dockerPushesAndPulls({ host }: Proxy, name: string): Promise<void> {
    await docker('pull', `${host}/given/hello`)
    await docker('tag', `${host}/given/hello`, `${host}/${name}:1`)
    await docker('push', `${host}/${name}:1`)
    await docker('rmi', `${host}/given/hello`, `${host}/${name}:1`)
    const { stdout } = await docker('run', '--rm', '--network', 'none', `${host}/${name}:1`, BUSYBOX, 'echo', 'runs')
    assert.equal(stdout, 'runs\n')
    await docker('rmi', `${host}/${name}:1`)
  }

  async function skopeoCopies({ host }: Proxy, name: string, ...flags: string[]): Promise<void> {
    const { skopeo } = parts.use(await openSkopeo())
    await mkdir(at('certs'), { recursive: true })
    await copyFile(authority.caFile, at('certs/ca.crt'))
    const both = ['--src-cert-dir', at('certs'), '--dest-cert-dir', at('certs')]
    await skopeo('copy', ...both, ...flags, `docker://${host}/given/hello`, `docker://${host}/${name}:1`)
  }

  const withPassword = (name: string) => ({ headers: { authorization: `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}` } })

  async function asksForThePassword(proxy: Proxy, name: string): Promise<void> {
    const trust = { ca: authority.ca }
    const refused = await ask(proxy.port, '/v2/', trust)
    assert.deepEqual([refused.status, refused.headers['docker-distribution-api-version']], [401, 'registry/2.0'])
    assert.match(refused.headers['www-authenticate'] ?? '', /^Basic realm="Registry realm"/)
    await assert.rejects(docker('pull', `${proxy.host}/given/hello`))
    await assert.rejects(docker('login', '-u', user, '-p', 'wrong', proxy.host))
    await docker('login', '-u', user, '-p', password, proxy.host)
    await dockerPushesAndPulls(proxy, `docker/${name}`)
    await skopeoCopies(proxy, `skopeo/${name}`, '--src-creds', `${user}:${password}`, '--dest-creds', `${user}:${password}`)
    const known = await ask(proxy.port, '/v2/', trust, withPassword(user))
    assert.deepEqual([known.status, known.headers['docker-distribution-api-version']], [200, 'registry/2.0'])
    const begun = await ask(proxy.port, '/v2/a/blobs/uploads/', trust, { method: 'POST', ...withPassword(user) })
    assert.ok(begun.headers.location?.startsWith(`https://${proxy.host}/v2/a/blobs/uploads/`), begun.headers.location)
  }

  test('nginx with TLS and its own basic auth', async () => {
    await using proxy = await nginx('nginx.conf', { ...certificate(), '/etc/nginx/registry.htpasswd': at('htpasswd') })
    await asksForThePassword(proxy, 'nginx')
  })

  test('nginx with TLS, /v2/ open and /auth/ behind a password', async () => {
    await using proxy = await nginx('nginx-open.conf', { ...certificate(), '/etc/nginx/registry.htpasswd': at('htpasswd') })
    await dockerPushesAndPulls(proxy, 'docker/open')
    await skopeoCopies(proxy, 'skopeo/open')
    const trust = { ca: authority.ca }
    assert.equal((await ask(proxy.port, '/auth/v2/', trust)).status, 401)
    assert.equal((await ask(proxy.port, '/auth/v2/', trust, withPassword(user))).status, 200)
  })

  test('nginx on a port without TLS', async () => {
    await using proxy = await nginx('nginx-http.conf')
    await dockerPushesAndPulls(proxy, 'docker/plain')
  })

  test('Apache with TLS and its own basic auth; who is no pusher may only pull', async () => {
    const substitutions = {
      'http://127.0.0.1:5000': registry.url,
      '/etc/apache2/ssl/registry.crt': server.certificateFile,
      '/etc/apache2/ssl/registry.key': server.keyFile,
      '/etc/apache2/registry.htpasswd': at('htpasswd'),
      '/etc/apache2/registry.groups': at('groups'),
    }
    await using proxy = await startApache({ example: 'apache.conf', substitutions })
    await asksForThePassword(proxy, 'apache')
    const trust = { ca: authority.ca }
    assert.equal((await ask(proxy.port, '/v2/given/hello/tags/list', trust, withPassword('reader'))).status, 200)
    const refused = await ask(proxy.port, '/v2/given/hello/blobs/uploads/', trust, { method: 'POST', ...withPassword('reader') })
    assert.equal(refused.status, 401)
  })
})
