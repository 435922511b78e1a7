// Clients push into a registry of its own, and what they pushed is pulled again, byte for byte.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { bigImage, BUSYBOX, busyboxImage, multiPlatformImage } from '../support/busybox-image.ts'
import type { Image } from '../support/images.ts'
import { needsRootAndPackages, programPath } from '../support/packages.ts'
import { assertWhole as assertWholeAt } from '../support/pulled.ts'
import { type Registry, startRegistry } from '../support/registry.ts'
import { openBuildah } from '../support/servers/buildah.ts'
import { type Dockerd, startDockerd } from '../support/servers/dockerd.ts'
import { openPodman, type Podman } from '../support/servers/podman.ts'
import { pushImage } from '../support/servers/push.ts'
import { openSkopeo, type Skopeo } from '../support/servers/skopeo.ts'
import { assertSound, filesBelow } from '../support/store-tree.ts'
import { until } from '../support/until.ts'

const required = await needsRootAndPackages('clients/push', ['docker.io', 'containerd', 'podman', 'buildah', 'skopeo', 'busybox-static'])

describe('clients that push', required, () => {
  const parts = new AsyncDisposableStack()
  let registry: Registry
  let host: string
  let docker: Dockerd['docker']
  let podman: Podman
  let skopeo: Skopeo['skopeo']
  let skopeoFolder: string

  before(async () => {
    registry = parts.use(await startRegistry())
    host = `127.0.0.1:${registry.port}`
    docker = parts.use(await startDockerd({ mirrors: [] })).docker
    podman = parts.use(await openPodman({ mirrors: [] }))
    ;({ skopeo, folder: skopeoFolder } = parts.use(await openSkopeo()))
  })
  after(() => parts.disposeAsync())

  const assertWhole = (name: string, reference: string) => assertWholeAt(`${registry.url}/v2/${name}`, reference)

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

  test('podman pushes an image, and runs it after it was lost', async () => {
    await offer('given/podman', await busyboxImage('podman'))
    await podman.pull('--tls-verify=false', `${host}/given/podman`)
    await podman.podman('push', '--tls-verify=false', `${host}/given/podman`, `docker://${host}/podman/hello:1`)
    await assertWhole('podman/hello', '1')
    await podman.podman('rmi', '--all', '--force')
    await podman.pull('--tls-verify=false', `${host}/podman/hello:1`)
    assert.equal(await podman.run(`${host}/podman/hello:1`), 'podman\n')
  })

  test('buildah pushes what it built, and podman runs it', async () => {
    const { folder, buildah } = parts.use(await openBuildah())
    const container = (await buildah('from', 'scratch')).stdout.trim()
    await writeFile(join(folder, 'line'), 'built here\n')
    await buildah('copy', '--chmod', '755', container, programPath('busybox'), BUSYBOX)
    await buildah('copy', container, join(folder, 'line'), '/line')
    await buildah('config', '--cmd', `${BUSYBOX} cat /line`, container)
    await buildah('commit', container, 'built')
    await buildah('push', '--tls-verify=false', 'localhost/built', `docker://${host}/buildah/built:1`)
    await assertWhole('buildah/built', '1')
    await podman.pull('--tls-verify=false', `${host}/buildah/built:1`)
    assert.equal(await podman.run(`${host}/buildah/built:1`), 'built here\n')
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

  test('skopeo pushes an index out of an OCI layout, and gets the same layout back', async () => {
    const image = await multiPlatformImage('layout')
    await offer('given/layout', image)
    const [there, back] = [join(skopeoFolder, 'there'), join(skopeoFolder, 'back')]
    await skopeo('copy', '--all', '--src-tls-verify=false', `docker://${host}/given/layout`, `oci:${there}:1`)
    await skopeo('copy', '--all', '--dest-tls-verify=false', `oci:${there}:1`, `docker://${host}/skopeo/layout:1`)
    assert.deepEqual(await assertWhole('skopeo/layout', '1'), image.manifest.bytes)
    await skopeo('copy', '--all', '--src-tls-verify=false', `docker://${host}/skopeo/layout:1`, `oci:${back}:1`)
    assert.deepEqual(await filesBelow(back), await filesBelow(there))
  })

  test('a client that is killed in the middle of a push does the same push again, and it is whole', async () => {
    const image = await bigImage('killed', { layers: 2, layerBytes: 30_000_000 })
    // From another registry: skopeo would have mounted what it knows to be here.
    await using source = await startRegistry()
    await pushImage(source, 'given', image, ['1'])
    const layout = join(skopeoFolder, 'killed')
    await skopeo('copy', '--src-tls-verify=false', `docker://127.0.0.1:${source.port}/given:1`, `oci:${layout}:1`)
    const args = ['--insecure-policy', 'copy', '--dest-tls-verify=false', `oci:${layout}:1`, `docker://${host}/skopeo/killed:1`]
    const uploads = join(registry.folder, 'docker/registry/v2/repositories/skopeo/killed/_uploads')
    const killed = spawn(programPath('skopeo'), args, { stdio: 'ignore' })
    const ended = once(killed, 'exit')
    await until('some of the push has come', async () => (await sizesBelow(uploads)).some((size) => size > 1_000_000))
    killed.kill('SIGKILL')
    await ended
    assert.equal((await fetch(`${registry.url}/v2/skopeo/killed/manifests/1`)).status, 404)
    await skopeo(...args.slice(1))
    assert.deepEqual(await assertWhole('skopeo/killed', '1'), image.manifest.bytes)
  })

  test('the store is sound afterwards, and nobody was told of an error of ours', async () => {
    await assertSound(registry.folder)
    assert.deepEqual(
      registry.log.filter((line) => line.includes('level=error')),
      [],
    )
  })
})

/** Bytes of each file; of one that goes at that moment, 0. */
function sizesBelow(folder: string): Promise<number[]> {
  return filesBelow(folder).then((files) =>
    Promise.all(
      files.map((file) =>
        stat(join(folder, file)).then(
          ({ size }) => size,
          () => 0,
        ),
      ),
    ),
  )
}
