// Docker itself, with the mirror as `registry-mirrors`: what most users of the mirror have.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { BUSYBOX, bigImage, busyboxImage, multiPlatformImage } from '../support/busybox-image.ts'
import type { Image } from '../support/images.ts'
import { needsRootAndPackages } from '../support/packages.ts'
import { type Registry, startRegistry } from '../support/registry.ts'
import { type Dockerd, startDockerd } from '../support/servers/dockerd.ts'
import { assertEachBlobFetchedOnce, assertNothingFetched } from '../support/traffic.ts'
import { startUpstream, type Upstream, upstreamKinds } from '../support/upstreams.ts'

const BIG = { layers: 4, layerBytes: 131_000_000 }
const required = await needsRootAndPackages('clients/dockerd', ['docker.io', 'containerd', 'docker-registry', 'busybox-static', 'openssl'])

for (const kind of upstreamKinds) {
  describe(`dockerd with registry-mirrors, upstream ${kind}`, required, () => {
    const parts = new AsyncDisposableStack()
    let upstream: Upstream
    let mirror: Registry
    let docker: Dockerd['docker']

    before(async () => {
      upstream = parts.use(await startUpstream(kind))
      mirror = parts.use(await startRegistry({ upstream: upstream.url }))
      const dockerd = parts.use(await startDockerd({ mirrors: [mirror.url] }))
      docker = dockerd.docker
    })
    after(() => parts.disposeAsync())

    /** Puts the image upstream as library/NAME:latest and lets the counting begin. */
    const offer = async (name: string, image: Image) => {
      await upstream.add(`library/${name}`, image, ['latest'])
      await upstream.forget()
    }
    const run = async (...args: string[]) => (await docker('run', '--rm', '--network', 'none', ...args)).stdout

    test('an image with a short name is pulled and runs', async () => {
      const image = await busyboxImage(`hello by way of ${kind}`)
      await offer('hello', image)
      await docker('pull', 'hello')
      assert.equal(await run('hello'), `hello by way of ${kind}\n`)
      await assertEachBlobFetchedOnce(upstream, image)
    })

    test('pulling again, also after the image was removed, fetches nothing from upstream', async () => {
      await offer('again', await busyboxImage('again'))
      await docker('pull', 'again')
      await upstream.forget()
      assert.match((await docker('pull', 'again')).stdout, /Image is up to date/)
      await assertNothingFetched(upstream)
      await docker('rmi', 'again')
      await docker('pull', 'again')
      assert.equal(await run('again'), 'again\n')
      await assertNothingFetched(upstream)
    })

    test('an image is pulled by its digest', async () => {
      const image = await busyboxImage('by digest')
      await offer('digest', image)
      const reference = `digest@${image.manifest.digest}`
      await docker('pull', reference)
      assert.equal(await run(reference), 'by digest\n')
      await assertEachBlobFetchedOnce(upstream, image)
    })

    test('of a multi-platform image, the platform asked for comes, and nothing of the other', async () => {
      const image = await multiPlatformImage('platform')
      const [amd64, arm64] = image.children
      assert.ok(amd64 !== undefined && arm64 !== undefined)
      await offer('platforms', image)
      await docker('pull', '--platform', 'linux/arm64', 'platforms')
      assert.equal((await docker('image', 'inspect', '--format', '{{.Architecture}}', 'platforms')).stdout, 'arm64\n')
      assert.equal(await run('--platform', 'linux/arm64', 'platforms'), 'platform arm64\n')
      await assertEachBlobFetchedOnce(upstream, arm64)
      await docker('pull', '--platform', 'linux/amd64', 'platforms')
      assert.equal(await run('--platform', 'linux/amd64', 'platforms'), 'platform amd64\n')
      await assertEachBlobFetchedOnce(upstream, image)
    })

    test('an image of more than 500 MB comes whole, and each layer once', async () => {
      const image = await bigImage('big', BIG)
      await offer('big', image)
      await docker('pull', 'big')
      const listing = await run('big', BUSYBOX, 'sh', '-c', `${BUSYBOX} stat -c %s /big-*`)
      assert.deepEqual(
        listing.trim().split('\n').map(Number),
        Array.from({ length: BIG.layers }, () => BIG.layerBytes),
      )
      await assertEachBlobFetchedOnce(upstream, image)
    })

    // So a pull that succeeds in this suite came through the mirror.
    test('an image that upstream does not have is looked for at Docker Hub itself, which is out of reach here', async () => {
      await assert.rejects(docker('pull', 'absent'), /registry-1\.docker\.io.*proxyconnect/)
    })
  })
}
