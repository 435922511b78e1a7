// podman, with the mirror in registries.conf. It asks for a tag by GET, never by HEAD, and falls back to nobody once it
// has the top manifest.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { busyboxImage, multiPlatformImage } from '../support/busybox-image.ts'
import type { Image } from '../support/images.ts'
import { needsRootAndPackages } from '../support/packages.ts'
import { startRegistry } from '../support/registry.ts'
import { openPodman, type Podman } from '../support/servers/podman.ts'
import { assertEachBlobFetchedOnce, assertNothingFetched } from '../support/traffic.ts'
import { startUpstream, type Upstream, upstreamKinds } from '../support/upstreams.ts'

const required = await needsRootAndPackages('clients/podman', ['podman', 'docker-registry', 'busybox-static', 'openssl'])

for (const kind of upstreamKinds) {
  describe(`podman with registries.conf, upstream ${kind}`, required, () => {
    const parts = new AsyncDisposableStack()
    let upstream: Upstream
    let podman: Podman

    before(async () => {
      upstream = parts.use(await startUpstream(kind))
      const mirror = parts.use(await startRegistry({ upstream: upstream.url }))
      podman = parts.use(await openPodman({ mirrors: [mirror.url] }))
    })
    after(() => parts.disposeAsync())

    const offer = async (name: string, image: Image) => {
      await upstream.add(`library/${name}`, image, ['latest'])
      await upstream.forget()
    }

    test('an image with a short name is pulled and runs', async () => {
      const image = await busyboxImage('hello podman')
      await offer('hello', image)
      await podman.pull('hello')
      assert.equal(await podman.run('hello'), 'hello podman\n')
      await assertEachBlobFetchedOnce(upstream, image)
    })

    test('pulling again after podman lost the image fetches nothing from upstream', async () => {
      await offer('again', await busyboxImage('again'))
      await podman.pull('again')
      await podman.podman('rmi', 'again')
      await upstream.forget()
      await podman.pull('again')
      assert.equal(await podman.run('again'), 'again\n')
      await assertNothingFetched(upstream)
    })

    test('an image is pulled by its digest', async () => {
      const image = await busyboxImage('by digest')
      await offer('digest', image)
      const reference = `docker.io/library/digest@${image.manifest.digest}`
      await podman.pull(reference)
      assert.equal(await podman.run(reference), 'by digest\n')
      await assertEachBlobFetchedOnce(upstream, image)
    })

    test('of a multi-platform image, the platform asked for comes, and nothing of the other', async () => {
      const image = await multiPlatformImage('platform')
      const arm64 = image.children[1]
      assert.ok(arm64 !== undefined)
      await offer('platforms', image)
      await podman.pull('--platform', 'linux/arm64', 'platforms')
      const { stdout } = await podman.podman('image', 'inspect', '--format', '{{.Architecture}}', 'platforms')
      assert.equal(stdout, 'arm64\n')
      await assertEachBlobFetchedOnce(upstream, arm64)
    })

    // So a pull that succeeds in this suite came through the mirror.
    test('an image that upstream does not have is looked for at Docker Hub itself, which is out of reach here', async () => {
      await assert.rejects(podman.pull('absent'), /Mirrors also failed.*registry-1\.docker\.io.*proxyconnect/)
    })
  })
}
