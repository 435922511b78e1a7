// Clients that log in: by password, by the tokens of a server elsewhere, and where pulling is free, by tokens of our own.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { startGuarded } from '../auth/serving-htpasswd.ts'
import { busyboxImage } from '../support/busybox-image.ts'
import { needsRootAndPackages } from '../support/packages.ts'
import { type Registry, startRegistry } from '../support/registry.ts'
import { type Containerd, startContainerd } from '../support/servers/containerd.ts'
import { type Dockerd, startDockerd } from '../support/servers/dockerd.ts'
import { openPodman, type Podman } from '../support/servers/podman.ts'
import { pushImage } from '../support/servers/push.ts'
import { openSkopeo, type Skopeo } from '../support/servers/skopeo.ts'
import { startTokenServer, type TokenServer } from '../support/servers/token-server.ts'

const packages = ['apache2-utils', 'docker.io', 'containerd', 'podman', 'skopeo', 'busybox-static', 'openssl'] as const
const required = await needsRootAndPackages('clients/auth', packages)

describe('clients that log in', required, () => {
  const parts = new AsyncDisposableStack()
  let docker: Dockerd['docker']
  let podman: Podman
  let skopeo: Skopeo['skopeo']
  let ctr: Containerd['ctr']
  let byPassword: string
  let byToken: string
  let freePulls: string
  let tokens: TokenServer
  let image: string

  const hostOf = ({ port }: Registry) => `127.0.0.1:${port}`

  before(async () => {
    docker = parts.use(await startDockerd({ mirrors: [] })).docker
    podman = parts.use(await openPodman({ mirrors: [] }))
    skopeo = parts.use(await openSkopeo()).skopeo
    ctr = parts.use(await startContainerd({ mirrors: [] })).ctr
    const users = { alice: 'wonder', bob: 'builder' }
    byPassword = hostOf(
      parts.use(
        await startGuarded(users, {
          auth: {
            access: [
              { user: 'alice', actions: '*' },
              { user: 'bob', actions: 'pull' },
            ],
          },
        }),
      ),
    )
    freePulls = hostOf(parts.use(await startGuarded(users, { auth: { anonymous: 'pull' } })))
    tokens = parts.use(await startTokenServer({ publisher: { user: 'alice', password: 'wonder' } }))
    const { url: realm, service, issuer, certificateFile: rootcertbundle } = tokens
    byToken = hostOf(parts.use(await startRegistry({ config: { auth: { token: { realm, service, issuer, rootcertbundle } } } })))
    const given = parts.use(await startRegistry())
    await pushImage(given, 'given', await busyboxImage('let in'), ['latest'])
    image = `${hostOf(given)}/given`
    await docker('pull', image)
  })
  after(() => parts.disposeAsync())

  async function logIn(host: string, user: string, password: string): Promise<void> {
    const { stdout } = await docker('login', '--username', user, '--password', password, host)
    assert.match(stdout, /Login Succeeded/)
  }

  async function dockerPushes(reference: string): Promise<void> {
    await docker('tag', image, reference)
    await docker('push', reference)
    await docker('rmi', reference)
  }

  test('docker with a password pushes and pulls, and without one neither', async () => {
    const reference = `${byPassword}/docker/hello:1`
    await assert.rejects(dockerPushes(reference), /no basic auth credentials/)
    await assert.rejects(logIn(byPassword, 'alice', 'wrong'), /unauthorized/i)
    await logIn(byPassword, 'alice', 'wonder')
    await dockerPushes(reference)
    await docker('pull', reference)
    await docker('logout', byPassword)
    await docker('rmi', reference)
    await assert.rejects(docker('pull', reference), /no basic auth credentials/)
  })

  test('docker is told when a user may not push', async () => {
    await logIn(byPassword, 'bob', 'builder')
    await assert.rejects(dockerPushes(`${byPassword}/docker/bob:1`), /denied: requested access to the resource is denied/)
    await docker('logout', byPassword)
  })

  test('docker with the tokens of a server elsewhere pushes, mounts and pulls', async () => {
    await assert.rejects(dockerPushes(`${byToken}/docker/hello:1`), /denied: requested access to the resource is denied/)
    await logIn(byToken, 'alice', 'wonder')
    await dockerPushes(`${byToken}/docker/hello:1`)
    await docker('tag', image, `${byToken}/docker/mounted:1`)
    const { stdout } = await docker('push', `${byToken}/docker/mounted:1`)
    assert.match(stdout, /Mounted from docker\/hello/)
    assert.ok(tokens.requests.some((scopes) => /docker\/mounted/.test(scopes) && /docker\/hello:pull/.test(scopes)))
    await docker('logout', byToken)
    await docker('pull', `${byToken}/docker/hello:1`)
  })

  test('docker pulls without a name where that is free, and pushes with one', async () => {
    const reference = `${freePulls}/docker/free:1`
    await assert.rejects(dockerPushes(reference), /denied: requested access to the resource is denied/)
    await assert.rejects(logIn(freePulls, 'alice', 'wrong'), /unauthorized/i)
    await logIn(freePulls, 'alice', 'wonder')
    await dockerPushes(reference)
    await docker('logout', freePulls)
    await docker('pull', reference)
  })

  for (const [how, host] of [
    ['a password', () => byPassword],
    ['tokens of a server elsewhere', () => byToken],
    ['tokens of our own', () => freePulls],
  ] as const) {
    test(`podman, skopeo and containerd log in by ${how}`, async () => {
      const insecure = '--tls-verify=false'
      const target = `docker://${host()}/skopeo/hello:1`
      await assert.rejects(
        skopeo('copy', '--src-tls-verify=false', '--dest-tls-verify=false', `docker://${image}`, target),
        /unauthorized|authentication required/,
      )
      await skopeo('copy', '--src-tls-verify=false', '--dest-tls-verify=false', '--dest-creds', 'alice:wonder', `docker://${image}`, target)
      await assert.rejects(
        podman.podman('login', insecure, '--username', 'alice', '--password', 'wrong', host()),
        /invalid username\/password/,
      )
      await podman.podman('login', insecure, '--username', 'alice', '--password', 'wonder', host())
      await podman.pull(insecure, `${host()}/skopeo/hello:1`)
      await podman.podman('push', insecure, `${host()}/skopeo/hello:1`, `docker://${host()}/podman/hello:1`)
      await ctr('images', 'pull', '--plain-http', '--user', 'alice:wonder', `${host()}/podman/hello:1`)
      await ctr('images', 'push', '--plain-http', '--user', 'alice:wonder', `${host()}/containerd/hello:1`, `${host()}/podman/hello:1`)
      await skopeo('inspect', insecure, '--creds', 'alice:wonder', `docker://${host()}/containerd/hello:1`)
    })
  }

  test('podman, skopeo and containerd pull without a name where that is free', async () => {
    await skopeo('inspect', '--tls-verify=false', `docker://${freePulls}/docker/free:1`)
    await ctr('images', 'pull', '--plain-http', `${freePulls}/docker/free:1`)
    await podman.podman('logout', freePulls)
    await podman.pull('--tls-verify=false', `${freePulls}/docker/free:1`)
  })
})
