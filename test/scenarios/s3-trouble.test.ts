// A storage that is away, wrong or cut off: what clients see of it, and what the log says.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import { after, before, describe, it } from 'node:test'
import { startHub } from '../support/hub/hub.ts'
import { digestOf, ociImage, seededBytes } from '../support/images.ts'
import { needsPackages } from '../support/packages.ts'
import { pull } from '../support/pull.ts'
import { startRegistry } from '../support/registry.ts'
import { type Radosgw, radosgwPackages, startRadosgw } from '../support/servers/radosgw.ts'
import { until } from '../support/until.ts'
import { layerIn } from './scene.ts'

const suite = 'S3 in trouble'

/** Passes bytes on to `port`, and cuts an answer after so many. */
async function startCutter(port: number) {
  const state = { cutAfterBytes: Number.POSITIVE_INFINITY }
  const server = createServer((client) => {
    const target = connect(port, '127.0.0.1')
    let bytes = 0
    for (const socket of [client, target]) socket.on('error', () => {})
    client.on('data', (chunk) => target.write(chunk)).on('close', () => target.destroy())
    target.on('close', () => client.destroy())
    target.on('data', (chunk) => {
      bytes += chunk.length
      client.write(chunk)
      if (bytes >= state.cutAfterBytes) target.destroy()
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const close = async () => void server.close()
  return { state, port: (server.address() as AddressInfo).port, [Symbol.asyncDispose]: close }
}

describe(suite, await needsPackages(suite, radosgwPackages), () => {
  let s3: Radosgw

  const storage = (parameters: object, more: object = {}) => ({
    storage: { s3: parameters, cache: { blobdescriptor: 'inmemory' }, ...more },
    http: { addr: '127.0.0.1:0', secret: 'test' },
  })

  before(async () => {
    s3 = await startRadosgw()
  })
  after(() => s3?.[Symbol.asyncDispose]())

  it('does not start with a wrong key, secret or bucket, and names the key of the configuration', async () => {
    const right = s3.parametersOf(await s3.newBucket())
    const wrong: readonly (readonly [object, RegExp])[] = [
      [{ ...right, accesskey: 'nobody' }, /^Error: storage\.s3\.accesskey: /],
      [{ ...right, secretkey: 'wrong' }, /^Error: storage\.s3\.secretkey: /],
      [{ ...right, secretkey: undefined }, /^Error: storage\.s3\.secretkey: missing/],
      [{ ...right, bucket: 'nowhere' }, /^Error: storage\.s3\.bucket: there is no bucket nowhere/],
    ]
    for (const [parameters, complaint] of wrong) await assert.rejects(startRegistry({ config: storage(parameters) }), complaint)
  })

  it('a mirror whose S3 dies goes on from upstream, says so once, and keeps again when it is back', async () => {
    await using hub = await startHub()
    const images = ['before', 'away', 'after'].map((seed) => ociImage({ seed: `trouble ${seed}`, layers: 1 }))
    for (const [index, image] of images.entries()) hub.add(`library/app${index}`, image, { tags: ['latest'] })
    const config = storage(s3.parametersOf(await s3.newBucket()))
    await using mirror = await startRegistry({ upstream: hub.url, config })
    const blobUrl = (index: number) => `${mirror.url}/v2/library/app${index}/blobs/${layerIn(images[index] as (typeof images)[0]).digest}`
    await s3.kill()
    for (const index of [0, 1]) {
      const manifest = await pull(`${mirror.url}/v2/library/app${index}/manifests/latest`, {
        headers: { accept: images[index]?.manifest.mediaType ?? '' },
      })
      assert.equal(digestOf(manifest.body), images[index]?.manifest.digest)
      const got = await pull(blobUrl(index))
      assert.deepEqual([got.status, digestOf(got.body)], [200, layerIn(images[index] as (typeof images)[0]).digest])
    }
    const errors = mirror.log.filter((line) => line.includes('level=error'))
    assert.equal(errors.length, 1, errors.join(''))
    assert.match(errors[0] ?? '', /object storage cannot be reached/)
    await s3.start()
    await until('it is kept again', async () => (await pull(blobUrl(2))).status === 307, 20_000)
    assert.equal(mirror.log.filter((line) => line.includes('object storage is back')).length, 1)
  })

  it('a registry whose S3 is away answers 503, not that there is nothing', async () => {
    await using registry = await startRegistry({ config: storage(s3.parametersOf(await s3.newBucket())) })
    await s3.kill()
    try {
      const digest = digestOf(Buffer.from('x'))
      for (const path of [`blobs/${digest}`, `manifests/${digest}`, 'manifests/latest', 'tags/list']) {
        const { status, body } = await pull(`${registry.url}/v2/app/${path}`)
        assert.deepEqual([status, JSON.parse(body.toString()).errors[0].code], [503, 'UNAVAILABLE'], path)
      }
    } finally {
      await s3.start()
    }
  })

  it('a client sees a cut connection when the storage breaks off in a blob, and never other bytes', async () => {
    await using cutter = await startCutter(s3.port)
    const parameters = { ...s3.parametersOf(await s3.newBucket()), regionendpoint: `http://127.0.0.1:${cutter.port}` }
    await using registry = await startRegistry({ config: storage(parameters, { redirect: { disable: true } }) })
    const bytes = seededBytes('cut', 3_000_000)
    const digest = digestOf(bytes)
    const begun = await fetch(`${registry.url}/v2/app/blobs/uploads/`, { method: 'POST' })
    const address = new URL(begun.headers.get('location') ?? '')
    address.searchParams.set('digest', digest)
    assert.equal((await fetch(address, { method: 'PUT', body: new Uint8Array(bytes) })).status, 201)
    const url = `${registry.url}/v2/app/blobs/${digest}`
    assert.equal(digestOf((await pull(url)).body), digest)
    cutter.state.cutAfterBytes = 1_000_000
    const cut = await pull(url)
    assert.equal(cut.status, 200)
    assert.notEqual(cut.ending, 'whole')
    assert.ok(cut.body.length < bytes.length && cut.body.equals(bytes.subarray(0, cut.body.length)))
    cutter.state.cutAfterBytes = Number.POSITIVE_INFINITY
    await until('it is whole again', async () => digestOf((await pull(url)).body) === digest)
  })
})
