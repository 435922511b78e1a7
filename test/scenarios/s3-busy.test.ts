// A storage that asks for patience for long (503 SlowDown): what clients of a mirror and of a registry see, and what the log says.
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { startS3Recorder } from '../store/drivers/s3-recorder.ts'
import { startHub } from '../support/hub/hub.ts'
import { digestOf, ociImage } from '../support/images.ts'
import { pull } from '../support/pull.ts'
import { startRegistry } from '../support/registry.ts'
import { until } from '../support/until.ts'
import { layerIn } from './scene.ts'

const storageOn = (url: string) => ({
  storage: { s3: { bucket: 'bucket', regionendpoint: url, accesskey: 'a', secretkey: 'b' } },
  http: { addr: '127.0.0.1:0', secret: 'test' },
})

it('a mirror whose S3 is overloaded serves from upstream, says so once, and keeps again afterwards', async () => {
  await using s3 = await startS3Recorder()
  await using hub = await startHub()
  const image = ociImage({ seed: 'busy', layers: 1 })
  const layer = layerIn(image)
  hub.add('library/app', image, { tags: ['latest'] })
  await using mirror = await startRegistry({ upstream: hub.url, config: storageOn(s3.url) })
  s3.slowDowns = Number.POSITIVE_INFINITY
  const manifest = await pull(`${mirror.url}/v2/library/app/manifests/latest`, { headers: { accept: image.manifest.mediaType } })
  assert.deepEqual([manifest.status, digestOf(manifest.body)], [200, image.manifest.digest])
  const url = `${mirror.url}/v2/library/app/blobs/${layer.digest}`
  const blob = await pull(url)
  assert.deepEqual([blob.status, digestOf(blob.body)], [200, layer.digest])
  const errors = mirror.log.filter((line) => line.includes('level=error'))
  assert.equal(errors.length, 1, errors.join(''))
  assert.match(errors[0] ?? '', /object storage has trouble/)
  s3.slowDowns = 0
  await until('it is kept again', async () => (await pull(url)).status === 307, 20_000)
  assert.equal(mirror.log.filter((line) => line.includes('object storage is back')).length, 1)
})

it('a registry whose S3 is overloaded answers 503, not that there is nothing', async () => {
  await using s3 = await startS3Recorder()
  await using registry = await startRegistry({ config: storageOn(s3.url) })
  s3.slowDowns = Number.POSITIVE_INFINITY
  const { status, body } = await pull(`${registry.url}/v2/app/manifests/latest`)
  assert.deepEqual([status, JSON.parse(body.toString()).errors[0].code], [503, 'UNAVAILABLE'])
})
