// containerd, as Kubernetes nodes have it, with the mirror in hosts.toml: it asks with `?ns=docker.io`.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { bigImage, busyboxImage, multiPlatformImage } from '../support/busybox-image.ts'
import type { Image } from '../support/images.ts'
import { needsRootAndPackages } from '../support/packages.ts'
import { startRegistry } from '../support/registry.ts'
import { type Containerd, startContainerd } from '../support/servers/containerd.ts'
import { assertEachBlobFetchedOnce, assertNothingFetched } from '../support/traffic.ts'
import { startUpstream, type Upstream, upstreamKinds } from '../support/upstreams.ts'

const BIG = { layers: 4, layerBytes: 131_000_000 }
const required = await needsRootAndPackages('clients/containerd', ['containerd', 'docker-registry', 'busybox-static', 'openssl'])

for (const kind of upstreamKinds) {
  describe(`containerd with hosts.toml, upstream ${kind}`, required, () => {
    const parts = new AsyncDisposableStack()
    let upstream: Upstream
    let containerd: Containerd

    before(async () => {
      upstream = parts.use(await startUpstream(kind))
      const mirror = parts.use(await startRegistry({ upstream: upstream.url }))
      containerd = parts.use(await startContainerd({ mirrors: [mirror.url] }))
    })
    after(() => parts.disposeAsync())

    const offer = async (name: string, image: Image) => {
      await upstream.add(`library/${name}`, image, ['latest'])
      await upstream.forget()
    }
    /** The bytes of one file of a pulled image, read from its mounted file system. */
    const lineIn = async (reference: string, platform?: string) => {
      const flags = platform === undefined ? [] : ['--platform', platform]
      return containerd.readFile(reference, 'line', ...flags)
    }

    test('an image is pulled and unpacked', async () => {
      const image = await busyboxImage('hello containerd')
      await offer('hello', image)
      await containerd.pull('docker.io/library/hello:latest')
      assert.equal(await lineIn('docker.io/library/hello:latest'), 'hello containerd')
      await assertEachBlobFetchedOnce(upstream, image)
    })

    test('pulling again after containerd lost the image fetches nothing from upstream', async () => {
      await offer('again', await busyboxImage('again'))
      await containerd.pull('docker.io/library/again:latest')
      await containerd.ctr('images', 'remove', '--sync', 'docker.io/library/again:latest')
      await upstream.forget()
      await containerd.pull('docker.io/library/again:latest')
      assert.equal(await lineIn('docker.io/library/again:latest'), 'again')
      await assertNothingFetched(upstream)
    })

    test('an image is pulled by its digest', async () => {
      const image = await busyboxImage('by digest')
      await offer('digest', image)
      const reference = `docker.io/library/digest@${image.manifest.digest}`
      await containerd.pull(reference)
      assert.equal(await lineIn(reference), 'by digest')
      await assertEachBlobFetchedOnce(upstream, image)
    })

    test('of a multi-platform image, the platform asked for comes, and nothing of the other', async () => {
      const image = await multiPlatformImage('platform')
      const arm64 = image.children[1]
      assert.ok(arm64 !== undefined)
      await offer('platforms', image)
      const reference = 'docker.io/library/platforms:latest'
      await containerd.pull(reference, '--platform', 'linux/arm64')
      assert.equal(await lineIn(reference, 'linux/arm64'), 'platform arm64')
      await assertEachBlobFetchedOnce(upstream, arm64)
      await containerd.pull(reference, '--all-platforms')
      assert.equal(await lineIn(reference, 'linux/amd64'), 'platform amd64')
      await assertEachBlobFetchedOnce(upstream, image)
    })

    test('an image of more than 500 MB comes whole, and each layer once', async () => {
      const image = await bigImage('big', BIG)
      await offer('big', image)
      await containerd.pull('docker.io/library/big:latest')
      const { stdout } = await containerd.ctr('images', 'check', 'name==docker.io/library/big:latest')
      assert.match(stdout, /complete \((\d+)\/\1\)/)
      await assertEachBlobFetchedOnce(upstream, image)
    })

    // So a pull that succeeds in this suite came through the mirror.
    test('an image that upstream does not have is looked for at Docker Hub itself, which is out of reach here', async () => {
      await assert.rejects(containerd.pull('docker.io/library/absent:latest'), /registry-1\.docker\.io.*proxyconnect/)
    })
  })
}
