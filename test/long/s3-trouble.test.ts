// What takes long because somebody waits for an S3 that says nothing, or that goes and comes back while a blob is on its way.
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { startHub } from '../support/hub/hub.ts'
import { digestOf, ociImage } from '../support/images.ts'
import { needsPackages } from '../support/packages.ts'
import { open, pull } from '../support/pull.ts'
import { startRegistry } from '../support/registry.ts'
import { type Radosgw, radosgwPackages, startRadosgw } from '../support/servers/radosgw.ts'
import { until } from '../support/until.ts'
import { layerIn } from '../scenarios/scene.ts'

const suite = 'S3 in longer trouble'

describe(suite, await needsPackages(suite, radosgwPackages), () => {
  let s3: Radosgw
  before(async () => {
    s3 = await startRadosgw()
  })
  after(() => s3?.[Symbol.asyncDispose]())

  async function startMirror() {
    await using building = new AsyncDisposableStack()
    const hub = building.use(await startHub())
    const config = { storage: { s3: s3.parametersOf(await s3.newBucket()) }, http: { addr: '127.0.0.1:0', secret: 'test' } }
    const mirror = building.use(await startRegistry({ upstream: hub.url, config }))
    const running = building.move()
    const add = (name: string) => {
      const image = ociImage({ seed: `long ${name}`, layers: 1 })
      hub.add(`library/${name}`, image, { tags: ['latest'] })
      const { digest } = layerIn(image)
      return { digest, url: `${mirror.url}/v2/library/${name}/blobs/${digest}` }
    }
    return { hub, mirror, add, [Symbol.asyncDispose]: () => running.disposeAsync() }
  }

  it('S3 is restarted in the middle of a fill: the client has its blob, S3 too, and the Hub sent it once', async () => {
    await using scene = await startMirror()
    const { digest, url } = scene.add('restarted')
    const goOn = Promise.withResolvers<void>()
    scene.hub.script([{ on: { kind: 'cdn', digest }, stallAfterBytes: 100, until: goOn.promise }])
    const answer = await open(url)
    await answer.readTo(1)
    await s3.kill()
    await s3.start()
    goOn.resolve()
    const { body } = await answer.readAll()
    assert.deepEqual([answer.status, digestOf(body)], [200, digest])
    await until('S3 has it', async () => (await pull(url, { method: 'HEAD' })).status === 307, 20_000)
    assert.equal(scene.hub.count({ kind: 'cdn', digest }), 1, scene.hub.describeLedger())
  })

  it('S3 that is gone when a fill ends costs the client nothing, and the next pull brings it', async () => {
    await using scene = await startMirror()
    const { digest, url } = scene.add('gone')
    const goOn = Promise.withResolvers<void>()
    scene.hub.script([{ on: { kind: 'cdn', digest }, stallAfterBytes: 100, until: goOn.promise }])
    const answer = await open(url)
    await answer.readTo(1)
    await s3.kill()
    goOn.resolve()
    const { body } = await answer.readAll()
    assert.deepEqual([answer.status, digestOf(body)], [200, digest])
    await s3.start()
    await until('a later pull is kept', async () => (await pull(url)).status === 307, 20_000)
  })

  it('S3 that takes connections and says nothing delays one pull by some seconds, not every one', async () => {
    await using scene = await startMirror()
    const [first, second, third] = [scene.add('first'), scene.add('second'), scene.add('third')]
    s3.pause()
    try {
      const began = performance.now()
      const one = await pull(first.url)
      const waited = performance.now() - began
      assert.deepEqual([one.status, digestOf(one.body)], [200, first.digest])
      assert.ok(waited < 30_000, `${waited} ms`)
      // One of them may be the look whether S3 is back.
      const others = await Promise.all(
        [second, second, third].map(async ({ url, digest }) => {
          const start = performance.now()
          const got = await pull(url)
          assert.deepEqual([got.status, digestOf(got.body)], [200, digest])
          return performance.now() - start
        }),
      )
      assert.ok((others.toSorted((a, b) => a - b)[0] ?? waited) < waited / 2, `${waited} ms, then ${others.join(', ')} ms`)
    } finally {
      s3.resume()
    }
    await until('it is kept again', async () => (await pull(first.url)).status === 307, 90_000)
  })
})
