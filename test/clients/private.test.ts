// Private images by way of the mirror, pulled by real clients: with the credentials that each is given in its own way, and without.
import assert from 'node:assert/strict'
import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { createAuthority } from '../support/authority.ts'
import { type PrivateScene, startPrivate } from '../scenarios/private.ts'
import { busyboxImage } from '../support/busybox-image.ts'
import { needsRootAndPackages } from '../support/packages.ts'
import { startRegistry } from '../support/registry.ts'
import { type Containerd, startContainerd } from '../support/servers/containerd.ts'
import { type Dockerd, startDockerd } from '../support/servers/dockerd.ts'
import { openPodman, type Podman } from '../support/servers/podman.ts'
import { openSkopeo, type Skopeo } from '../support/servers/skopeo.ts'

const required = await needsRootAndPackages('clients/private', ['docker.io', 'containerd', 'podman', 'skopeo', 'busybox-static', 'openssl'])
const users = { alice: 'wonder', bob: 'builder' }
type User = keyof typeof users

describe('private images through the mirror', required, () => {
  const parts = new AsyncDisposableStack()
  let scene: PrivateScene
  let host: string
  let docker: Dockerd['docker']
  let containerd: Containerd
  let podman: Podman
  let skopeo: Skopeo['skopeo']
  let folder: string

  before(async () => {
    scene = parts.use(await startPrivate())
    host = `127.0.0.1:${scene.registry.port}`
    scene.hub.add('secret/app', await busyboxImage('secret'), { tags: ['latest'] })
    scene.hub.add('open/app', await busyboxImage('open'), { tags: ['latest'] })
    const mirrors = [scene.registry.url]
    docker = parts.use(await startDockerd({ mirrors })).docker
    containerd = parts.use(await startContainerd({ mirrors }))
    podman = parts.use(await openPodman({ mirrors }))
    skopeo = parts.use(await openSkopeo({ mirrors })).skopeo
    folder = await mkdtemp(join(tmpdir(), 'entrepot-clients-'))
    parts.defer(() => rm(folder, { recursive: true, force: true }))
  })
  after(() => parts.disposeAsync())

  /** A login as `docker login` and `podman login` leave it behind. */
  async function loginFile(user: User, registry: string): Promise<string> {
    const made = await mkdtemp(join(folder, 'login-'))
    const auth = Buffer.from(`${user}:${users[user]}`).toString('base64')
    await writeFile(join(made, 'config.json'), JSON.stringify({ auths: { [registry]: { auth } } }))
    return made
  }

  test('docker with registry-mirrors sends its login of Docker Hub, and pulls what that may read', async () => {
    await docker('pull', 'open/app')
    await assert.rejects(docker('pull', 'secret/app'))
    const [alice, bob] = [await loginFile('alice', 'https://index.docker.io/v1/'), await loginFile('bob', 'https://index.docker.io/v1/')]
    await docker('--config', alice, 'pull', 'secret/app')
    await docker('rmi', 'secret/app')
    await assert.rejects(docker('--config', bob, 'pull', 'secret/app'))
    await docker('--config', bob, 'pull', 'open/app')
    await assert.rejects(docker('pull', 'secret/app'))
  })

  test('docker login says whether the credentials are right', async () => {
    const logIn = (user: string, password: string) => docker('login', '--username', user, '--password', password, host)
    await assert.rejects(logIn('alice', 'guess'), /unauthorized/i)
    assert.match((await logIn('alice', users.alice)).stdout, /Login Succeeded/)
    await docker('pull', `${host}/secret/app`)
    await docker('logout', host)
    await docker('rmi', `${host}/secret/app`)
    await assert.rejects(docker('pull', `${host}/secret/app`), /denied/)
    await docker('pull', `${host}/open/app`)
    const { stdout } = await docker('search', `${host}/app`)
    assert.match(stdout, /open\/app/)
    assert.doesNotMatch(stdout, /secret/)
  })

  test('skopeo and podman send what they were given for the mirror', async () => {
    const authfile = async (user: User) => join(await loginFile(user, host), 'config.json')
    const [alice, bob] = [await authfile('alice'), await authfile('bob')]
    const target = () => `dir:${join(folder, 'copied')}`
    await skopeo('copy', 'docker://docker.io/open/app:latest', target())
    await skopeo('copy', '--src-authfile', alice, 'docker://docker.io/secret/app:latest', target())
    await assert.rejects(skopeo('copy', '--src-authfile', bob, 'docker://docker.io/secret/app:latest', target()))
    await assert.rejects(skopeo('copy', 'docker://docker.io/secret/app:latest', target()))
    await podman.pull('docker.io/open/app')
    await podman.pull('--authfile', alice, 'docker.io/secret/app')
    await podman.podman('rmi', 'docker.io/secret/app')
    await assert.rejects(podman.pull('--authfile', bob, 'docker.io/secret/app'))
    await assert.rejects(
      podman.podman('login', '--tls-verify=false', '--username', 'alice', '--password', 'guess', host),
      /invalid username\/password/,
    )
    await podman.podman('login', '--tls-verify=false', '--username', 'alice', '--password', users.alice, host)
  })

  test('containerd asks the mirror with ns, and answers its challenge', async () => {
    await containerd.pull('docker.io/open/app:latest')
    await assert.rejects(containerd.pull('docker.io/secret/app:latest'))
    await assert.rejects(containerd.pull('docker.io/secret/app:latest', '--user', `bob:${users.bob}`))
    await containerd.pull('docker.io/secret/app:latest', '--user', `alice:${users.alice}`)
    await containerd.ctr('images', 'pull', '--plain-http', '--user', `alice:${users.alice}`, `${host}/secret/app:latest`)
    await containerd.ctr('images', 'pull', '--plain-http', `${host}/open/app:latest`)
  })

  test('over TLS, without which nobody is asked for credentials', async () => {
    const authority = parts.use(await createAuthority())
    const { certificateFile: certificate, keyFile: key } = await authority.issue('mirror')
    const proxy = { username: 'mirror', password: 'm', authorization: 'upstream' }
    const { port } = parts.use(
      await startRegistry({ upstream: scene.hub.url, proxy, config: { http: { addr: '127.0.0.1:0', tls: { certificate, key } } } }),
    )
    const certificates = await mkdtemp(join(folder, 'certs-'))
    await copyFile(authority.caFile, join(certificates, 'ca.crt'))
    const inspect = (repository: string, ...flags: string[]) =>
      skopeo('inspect', '--cert-dir', certificates, ...flags, `docker://localhost:${port}/${repository}:latest`)
    await inspect('open/app')
    await inspect('secret/app', '--creds', `alice:${users.alice}`)
    await assert.rejects(inspect('secret/app', '--creds', `bob:${users.bob}`), /denied/)
    await assert.rejects(inspect('secret/app', '--creds', 'alice:guess'), /unauthorized|invalid username\/password/)
    await assert.rejects(inspect('secret/app'), /denied/)
  })
})
