// skopeo, with the mirror in registries.conf: the same library as podman, CRI-O and buildah, copying whole indexes.
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { busyboxImage, multiPlatformImage } from '../support/busybox-image.ts'
import { digestOf, type Image } from '../support/images.ts'
import { needsPackages } from '../support/packages.ts'
import { startRegistry } from '../support/registry.ts'
import { openSkopeo, type Skopeo } from '../support/servers/skopeo.ts'
import { assertEachBlobFetchedOnce, assertNothingFetched } from '../support/traffic.ts'
import { startUpstream, type Upstream, upstreamKinds } from '../support/upstreams.ts'

const required = await needsPackages('clients/skopeo', ['skopeo', 'docker-registry', 'busybox-static', 'openssl'])

for (const kind of upstreamKinds) {
  describe(`skopeo with registries.conf, upstream ${kind}`, required, () => {
    const parts = new AsyncDisposableStack()
    let upstream: Upstream
    let client: Skopeo

    before(async () => {
      upstream = parts.use(await startUpstream(kind))
      const mirror = parts.use(await startRegistry({ upstream: upstream.url }))
      client = parts.use(await openSkopeo({ mirrors: [mirror.url] }))
    })
    after(() => parts.disposeAsync())

    const offer = async (name: string, image: Image) => {
      await upstream.add(`library/${name}`, image, ['latest'])
      await upstream.forget()
    }
    const copied = (target: string, file: string) => readFile(join(client.folder, target, file))
    const assertCopyIsWhole = async (target: string, image: Image) => {
      for (const [digest, { size }] of image.blobs) {
        const bytes = await copied(target, digest.slice('sha256:'.length))
        assert.equal(bytes.length, size)
        assert.equal(digestOf(bytes), digest)
      }
    }
    const copy = (reference: string, target: string, ...flags: string[]) =>
      client.skopeo('copy', '--preserve-digests', ...flags, `docker://docker.io/${reference}`, `dir:${join(client.folder, target)}`)

    test('an image is copied, byte for byte as upstream has it', async () => {
      const image = await busyboxImage('hello skopeo')
      await offer('hello', image)
      await copy('hello', 'hello')
      assert.deepEqual(await copied('hello', 'manifest.json'), image.manifest.bytes)
      await assertCopyIsWhole('hello', image)
      await assertEachBlobFetchedOnce(upstream, image)
    })

    test('copying again fetches nothing from upstream', async () => {
      const image = await busyboxImage('again')
      await offer('again', image)
      await copy('again', 'again-1')
      await upstream.forget()
      await copy('again', 'again-2')
      await assertCopyIsWhole('again-2', image)
      await assertNothingFetched(upstream)
    })

    test('an image is copied by its digest', async () => {
      const image = await busyboxImage('by digest')
      await offer('digest', image)
      await copy(`library/digest@${image.manifest.digest}`, 'digest')
      await assertCopyIsWhole('digest', image)
      await assertEachBlobFetchedOnce(upstream, image)
    })

    test('an index is copied with all its platforms', async () => {
      const image = await multiPlatformImage('platform')
      await offer('platforms', image)
      await copy('platforms', 'platforms', '--all')
      assert.deepEqual(await copied('platforms', 'manifest.json'), image.manifest.bytes)
      for (const child of image.children) await assertCopyIsWhole('platforms', child)
      await assertEachBlobFetchedOnce(upstream, image)
    })

    test('a tag is inspected without moving a layer', async () => {
      const image = await busyboxImage('inspected')
      await offer('inspected', image)
      const { stdout } = await client.skopeo('inspect', '--raw', 'docker://docker.io/inspected')
      assert.deepEqual(Buffer.from(stdout), image.manifest.bytes)
      assert.equal((await upstream.traffic()).blobs.size, 0)
    })

    // So a pull that succeeds in this suite came through the mirror.
    test('an image that upstream does not have is looked for at Docker Hub itself, which is out of reach here', async () => {
      await assert.rejects(copy('absent', 'absent'), /Mirrors also failed.*registry-1\.docker\.io.*proxyconnect/)
    })
  })
}
