// Real clients over TLS, with an authority of one's own and with client certificates, each told of them in its own way.
import assert from 'node:assert/strict'
import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { type Authority, createAuthority, type Issued } from '../support/authority.ts'
import { BUSYBOX, busyboxImage } from '../support/busybox-image.ts'
import { needsRootAndPackages } from '../support/packages.ts'
import { type Registry, startRegistry } from '../support/registry.ts'
import { startContainerd } from '../support/servers/containerd.ts'
import { startDockerd } from '../support/servers/dockerd.ts'
import { openPodman } from '../support/servers/podman.ts'
import { pushImage } from '../support/servers/push.ts'
import { openSkopeo } from '../support/servers/skopeo.ts'

const required = await needsRootAndPackages('clients/tls', ['docker.io', 'containerd', 'podman', 'skopeo', 'busybox-static', 'openssl'])

describe('clients over TLS', required, () => {
  const parts = new AsyncDisposableStack()
  let authority: Authority
  let client: Issued
  let folder: string
  /** Knows no certificate of clients. */
  let plain: Registry
  /** Lets nobody in without one. */
  let mutual: Registry

  before(async () => {
    authority = parts.use(await createAuthority())
    const server = await authority.issue('server')
    client = await authority.issue('client')
    folder = await mkdtemp(join(tmpdir(), 'entrepot-clients-'))
    parts.defer(() => rm(folder, { recursive: true, force: true }))
    const tls = { certificate: server.certificateFile, key: server.keyFile }
    const address = '127.0.0.1:0'
    const filled = join(folder, 'data')
    // Both serve one folder; pushed into over plain HTTP before anybody needs a certificate.
    await using open = await startRegistry({ folder: filled })
    await pushImage(open, 'given/hello', await busyboxImage('hello over TLS'), ['latest'])
    plain = parts.use(await startRegistry({ folder: filled, config: { http: { addr: address, tls } } }))
    mutual = parts.use(
      await startRegistry({ folder: filled, config: { http: { addr: address, tls: { ...tls, clientcas: [authority.caFile] } } } }),
    )
  })
  after(() => parts.disposeAsync())

  /** A folder in the form that Docker, podman and skopeo read: `ca.crt`, and for a client `client.cert` and `client.key`. */
  async function certificateFolder(target: string, withClient: boolean): Promise<string> {
    await mkdir(target, { recursive: true })
    await copyFile(authority.caFile, join(target, 'ca.crt'))
    if (withClient) {
      await copyFile(client.certificateFile, join(target, 'client.cert'))
      await copyFile(client.keyFile, join(target, 'client.key'))
    }
    return target
  }

  test('docker pushes and pulls with certs.d', async () => {
    // To 127.0.0.0/8 docker talks without looking at certificates, so for it the name is that of ::1 alone.
    const [hosts, etc] = [join(folder, 'hosts-of-docker'), join(folder, 'etc-docker')]
    await writeFile(hosts, '::1 localhost\n')
    await mkdir(etc)
    const { docker } = parts.use(await startDockerd({ mirrors: [], inPlaceOf: { '/etc/hosts': hosts, '/etc/docker': etc } }))
    const at = (name: string) => join(authority.folder, name)
    const tls = { certificate: at('server.cert'), key: at('server.key'), clientcas: [authority.caFile] }
    await using registry = await startRegistry({ folder: join(folder, 'data'), config: { http: { addr: '[::1]:0', tls } } })
    const host = `localhost:${registry.port}`
    const place = join(etc, 'certs.d', host)

    await assert.rejects(docker('pull', `${host}/given/hello`), /unknown authority/)
    await certificateFolder(place, false)
    await assert.rejects(docker('pull', `${host}/given/hello`), /bad certificate|certificate required/)
    await certificateFolder(place, true)
    await docker('pull', `${host}/given/hello`)
    await docker('tag', `${host}/given/hello`, `${host}/docker/hello:1`)
    await docker('push', `${host}/docker/hello:1`)
    await docker('rmi', `${host}/given/hello`, `${host}/docker/hello:1`)
    const { stdout } = await docker('run', '--rm', '--network', 'none', `${host}/docker/hello:1`)
    assert.equal(stdout, 'hello over TLS\n')
  })

  test('podman pushes and pulls with --cert-dir', async () => {
    const podman = parts.use(await openPodman({ mirrors: [] }))
    const [ca, both] = [await certificateFolder(join(folder, 'podman-ca'), false), await certificateFolder(join(folder, 'podman'), true)]
    await assert.rejects(podman.pull(`127.0.0.1:${plain.port}/given/hello`), /unknown authority/)
    await podman.pull('--cert-dir', ca, `127.0.0.1:${plain.port}/given/hello`)
    const host = `127.0.0.1:${mutual.port}`
    await assert.rejects(podman.pull('--cert-dir', ca, `${host}/given/hello`), /bad certificate|certificate required/)
    await podman.pull('--cert-dir', both, `${host}/given/hello`)
    await podman.podman('push', '--cert-dir', both, `${host}/given/hello`, `docker://${host}/podman/hello:1`)
    assert.equal(await podman.run(`${host}/given/hello`, BUSYBOX, 'echo', 'runs'), 'runs\n')
  })

  test('skopeo copies with --dest-cert-dir and --src-cert-dir', async () => {
    const { skopeo } = parts.use(await openSkopeo())
    const both = await certificateFolder(join(folder, 'skopeo'), true)
    const host = `127.0.0.1:${mutual.port}`
    await assert.rejects(skopeo('inspect', `docker://${host}/given/hello`), /unknown authority/)
    await skopeo('copy', '--src-cert-dir', both, '--dest-cert-dir', both, `docker://${host}/given/hello`, `docker://${host}/skopeo/hello:1`)
    const { stdout } = await skopeo('inspect', '--raw', '--cert-dir', both, `docker://${host}/skopeo/hello:1`)
    assert.match(stdout, /"layers"/)
  })

  test('containerd pulls with ca and client in hosts.toml', async () => {
    const { ctr } = parts.use(await startContainerd({ mirrors: [] }))
    const host = `127.0.0.1:${mutual.port}`
    const hosts = join(folder, 'hosts')
    const pull = async (...lines: string[]) => {
      await mkdir(join(hosts, host), { recursive: true })
      await writeFile(join(hosts, host, 'hosts.toml'), [`server = "https://${host}"`, `[host."https://${host}"]`, ...lines].join('\n'))
      return ctr('images', 'pull', '--hosts-dir', hosts, `${host}/given/hello:latest`)
    }
    await assert.rejects(pull(), /unknown authority/)
    await assert.rejects(pull(`ca = "${authority.caFile}"`), /bad certificate|certificate required/)
    await pull(`ca = "${authority.caFile}"`, `client = [["${client.certificateFile}", "${client.keyFile}"]]`)
  })
})
