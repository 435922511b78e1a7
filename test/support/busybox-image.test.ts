// The generated layers must be what they say they are, or a failing pull would accuse the wrong party.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { bigImage } from './busybox-image.ts'
import { type BlobSource, digestOf } from './images.ts'
import { needsPackages } from './packages.ts'

/** One byte, ends around a stored block's 65,535 bytes, several blocks. The tar adds a header of 512 and zeros to its end. */
const FILE_BYTES = [1, 65_535 - 1536, 65_535 - 1535, 3 * 65_535, 1_000_000]

describe('a generated layer', await needsPackages('support/busybox-image', ['busybox-static']), () => {
  for (const fileBytes of FILE_BYTES) {
    test(`of ${fileBytes} bytes is a gzip of a tar, with the digests that manifest and config name`, async () => {
      const { blob, diffId } = await generatedLayer(fileBytes)
      const bytes = await read(blob, 0, blob.size)
      assert.equal(bytes.length, blob.size)
      assert.equal(digestOf(bytes), blob.digest)
      const tar = gunzipSync(bytes)
      assert.equal(digestOf(tar), diffId)
      assert.equal(Number.parseInt(tar.subarray(124, 135).toString(), 8), fileBytes)
      assert.equal(tar.length % 512, 0)
    })

    test(`of ${fileBytes} bytes reads the same from every offset`, async () => {
      const { blob } = await generatedLayer(fileBytes)
      const bytes = await read(blob, 0, blob.size)
      const offsets = [0, 1, 9, 10, 15, 65_549, 65_550, 65_555, 131_090, blob.size - 9, blob.size - 8, blob.size - 1, blob.size]
      for (const start of offsets.filter((offset) => offset >= 0 && offset <= blob.size)) {
        for (const end of offsets.filter((offset) => offset >= start && offset <= blob.size)) {
          assert.deepEqual(await read(blob, start, end), bytes.subarray(start, end), `${start} to ${end}`)
        }
      }
    })
  }
})

async function generatedLayer(fileBytes: number): Promise<{ blob: BlobSource; diffId: string }> {
  const image = await bigImage(`layer of ${fileBytes}`, { layers: 1, layerBytes: fileBytes })
  const manifest = JSON.parse(image.manifest.bytes.toString()) as { config: { digest: string }; layers: { digest: string }[] }
  const blob = image.blobs.get(manifest.layers[1]?.digest ?? '')
  const config = image.blobs.get(manifest.config.digest)
  assert.ok(blob !== undefined && config !== undefined)
  const { rootfs } = JSON.parse((await read(config, 0, config.size)).toString()) as { rootfs: { diff_ids: string[] } }
  return { blob, diffId: rootfs.diff_ids[1] ?? '' }
}

async function read(blob: BlobSource, start: number, end: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of blob.read(start, end)) chunks.push(chunk)
  return Buffer.concat(chunks)
}
