// Clients push into a registry of its own, and what they pushed is pulled again, byte for byte.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { BUSYBOX, busyboxImage, multiPlatformImage } from '../support/busybox-image.ts'
import { digestOf, type Image } from '../support/images.ts'
import { needsRootAndPackages } from '../support/packages.ts'
import { type Registry, startRegistry } from '../support/registry.ts'
import { type Dockerd, startDockerd } from '../support/servers/dockerd.ts'
import { openPodman, type Podman } from '../support/servers/podman.ts'
import { pushImage } from '../support/servers/push.ts'
import { openSkopeo, type Skopeo } from '../support/servers/skopeo.ts'
import { assertSound } from '../support/store-tree.ts'

const required = await needsRootAndPackages('clients/push', ['docker.io', 'containerd', 'podman', 'skopeo', 'busybox-static'])

describe('clients that push', required, () => {
  const parts = new AsyncDisposableStack()
  let registry: Registry
  let host: string
  let docker: Dockerd['docker']
  let podman: Podman
  let skopeo: Skopeo['skopeo']

  before(async () => {
    registry = parts.use(await startRegistry())
    host = `127.0.0.1:${registry.port}`
    docker = parts.use(await startDockerd({ mirrors: [] })).docker
    podman = parts.use(await openPodman({ mirrors: [] }))
    skopeo = parts.use(await openSkopeo()).skopeo
  })
  after(() => parts.disposeAsync())

  /** All that a manifest names can be had, and is what its digest says. */
  async function assertWhole(name: string, reference: string): Promise<Buffer> {
    const base = `${registry.url}/v2/${name}`
    const answer = await fetch(`${base}/manifests/${reference}`)
    const bytes = Buffer.from(await answer.arrayBuffer())
    assert.deepEqual([answer.status, answer.headers.get('docker-content-digest')], [200, digestOf(bytes)])
    const { manifests = [], config, layers = [] } = JSON.parse(bytes.toString()) as Record<string, { digest: string }[]>
    for (const { digest } of manifests) await assertWhole(name, digest)
    for (const { digest } of [config as unknown as { digest: string } | undefined, ...layers].filter((each) => each !== undefined)) {
      const blob = await fetch(`${base}/blobs/${digest}`)
      assert.equal(digestOf(Buffer.from(await blob.arrayBuffer())), digest)
    }
    return bytes
  }

  async function offer(name: string, image: Image): Promise<void> {
    await pushImage(registry, name, image, ['latest'])
  }

  test('docker pushes an image that it pulled, under another name', async () => {
    await offer('given/hello', await busyboxImage('hello'))
    await docker('pull', `${host}/given/hello`)
    await docker('tag', `${host}/given/hello`, `${host}/docker/hello:1`)
    await docker('push', `${host}/docker/hello:1`)
    await assertWhole('docker/hello', '1')
  })

  test('docker pushes an image that it made, and runs it after it was lost', async () => {
    await offer('given/base', await busyboxImage('base'))
    await docker('run', '--name', 'made', '--network', 'none', `${host}/given/base`, BUSYBOX, 'sh', '-c', `echo made here > /made`)
    await docker('commit', 'made', `${host}/docker/made:1`)
    await docker('rm', 'made')
    await docker('push', `${host}/docker/made:1`)
    await docker('rmi', `${host}/docker/made:1`)
    const { stdout } = await docker('run', '--rm', '--network', 'none', `${host}/docker/made:1`, BUSYBOX, 'cat', '/made')
    assert.equal(stdout, 'made here\n')
    await assertWhole('docker/made', '1')
  })

  test('docker searches what was pushed', async () => {
    await offer('found/needle', await busyboxImage('needle'))
    const { stdout } = await docker('search', '--format', '{{.Name}}', `${host}/needle`)
    assert.equal(stdout, 'found/needle\n')
  })

  test('podman pushes an image', async () => {
    await offer('given/podman', await busyboxImage('podman'))
    await podman.pull('--tls-verify=false', `${host}/given/podman`)
    await podman.podman('push', '--tls-verify=false', `${host}/given/podman`, `docker://${host}/podman/hello:1`)
    await assertWhole('podman/hello', '1')
  })

  test('skopeo copies an index with all its platforms, and lists its tags', async () => {
    const image = await multiPlatformImage('skopeo')
    await offer('given/all', image)
    const flags = ['--src-tls-verify=false', '--dest-tls-verify=false']
    await skopeo('copy', '--all', ...flags, `docker://${host}/given/all`, `docker://${host}/skopeo/all:1`)
    assert.deepEqual(await assertWhole('skopeo/all', '1'), image.manifest.bytes)
    const { stdout } = await skopeo('list-tags', '--tls-verify=false', `docker://${host}/skopeo/all`)
    assert.deepEqual((JSON.parse(stdout) as { Tags: string[] }).Tags, ['1'])
  })

  test('the store is sound afterwards, and nobody was told of an error of ours', async () => {
    await assertSound(registry.folder)
    assert.deepEqual(
      registry.log.filter((line) => line.includes('level=error')),
      [],
    )
  })
})
