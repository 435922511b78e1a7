// What a push and a fill cost in requests to the storage, which are paid for one by one; and that what is remembered to save them
// never stands in the way of another replica.
import assert from 'node:assert/strict'
import { after, before, describe, it, type TestContext } from 'node:test'
import { startHub } from '../../support/hub/hub.ts'
import { digestOf, dockerImage, seededBytes } from '../../support/images.ts'
import { needsPackages } from '../../support/packages.ts'
import { pull } from '../../support/pull.ts'
import { startRegistry, type StartOptions } from '../../support/registry.ts'
import { type Radosgw, radosgwPackages, startRadosgw } from '../../support/servers/radosgw.ts'
import { until } from '../../support/until.ts'
import { type S3Counter, startS3Counter } from '../../store/drivers/s3-counter.ts'
import { bytesOf, layerIn } from '../scene.ts'

const name = 'requests to the bucket'
const octets = { 'content-type': 'application/octet-stream' }

describe(name, await needsPackages(name, radosgwPackages), () => {
  let s3: Radosgw
  let counter: S3Counter

  before(async () => {
    s3 = await startRadosgw()
    counter = await startS3Counter(s3)
  })
  after(async () => {
    await counter?.[Symbol.asyncDispose]()
    await s3?.[Symbol.asyncDispose]()
  })

  const startOn = (bucket: string, more: Omit<StartOptions, 'config'> = {}) => {
    const parameters = { ...s3.parametersOf(bucket), regionendpoint: counter.url }
    const config = { storage: { s3: parameters, cache: { blobdescriptor: 'inmemory' } }, http: { addr: '127.0.0.1:0', secret: 'shared' } }
    return startRegistry({ ...more, config })
  }

  /** What was asked while `work` ran, and how often. Fails with the list where that is more than `most`. */
  async function counted(t: TestContext, what: string, most: number, work: () => Promise<void>): Promise<string[]> {
    const from = counter.asked.length
    await work()
    const asked = counter.asked.slice(from)
    const kinds = Object.entries(Object.groupBy(asked, (each) => each.split(' ')[0] ?? ''))
    t.diagnostic(`${what}: ${asked.length} requests: ${kinds.map(([kind, all]) => `${all?.length} ${kind}`).join(', ')}`)
    assert.ok(asked.length <= most, `${what}: ${asked.length} requests, at most ${most}:\n${asked.join('\n')}`)
    return asked
  }

  async function answered(status: number, url: string | URL | null, init: RequestInit): Promise<Response> {
    const answer = await fetch(url ?? '', init)
    const text = await answer.text()
    assert.equal(answer.status, status, `${init.method} ${String(url)}: ${text}`)
    return answer
  }

  function withDigest(location: string | null, digest: string): URL {
    const address = new URL(location ?? '')
    address.searchParams.set('digest', digest)
    return address
  }

  /** As docker does, without its questions before and after. */
  async function pushBlob(base: string, bytes: Buffer, digest: string): Promise<void> {
    const begun = await answered(202, `${base}/blobs/uploads/`, { method: 'POST' })
    const sent = await answered(202, begun.headers.get('location'), { method: 'PATCH', headers: octets, body: new Uint8Array(bytes) })
    await answered(201, withDigest(sent.headers.get('location'), digest), { method: 'PUT' })
  }

  it("an image of one layer, pushed in docker's way, costs at most 41, and 10 with its questions", async (t) => {
    await using registry = await startOn(await s3.newBucket())
    const base = `${registry.url}/v2/team/app`
    const image = dockerImage({ seed: 'counted', layers: 1 })
    const blobs = [...image.blobs.values()]
    const heads = (status: number) => async () => {
      for (const { digest } of blobs) {
        assert.equal((await pull(`${base}/blobs/${digest}`, { method: 'HEAD' })).status, status)
      }
    }
    await counted(t, 'two blobs that are absent', 6, heads(404))
    const asked = await counted(t, 'the push', 41, async () => {
      for (const blob of blobs) await pushBlob(base, await bytesOf(blob), blob.digest)
      const headers = { 'content-type': image.manifest.mediaType }
      await answered(201, `${base}/manifests/latest`, { method: 'PUT', headers, body: new Uint8Array(image.manifest.bytes) })
    })
    assert.deepEqual(
      asked.filter((each) => /^GET .*_uploads.*data$/.test(each)),
      [],
      'nothing is read again to be hashed',
    )
    await counted(t, 'two blobs that are there', 4, heads(307))
    const got = await pull(`${base}/manifests/latest`, { headers: { accept: image.manifest.mediaType } })
    assert.equal(digestOf(got.body), image.manifest.digest)
  })

  it('a blob that a mirror fetches costs at most 9', async (t) => {
    const image = dockerImage({ seed: 'mirrored', layers: 1 })
    const layer = layerIn(image)
    await using hub = await startHub()
    hub.add('library/app', image, { tags: ['latest'] })
    await using mirror = await startOn(await s3.newBucket(), { upstream: hub.url })
    const isAbout = () => counter.asked.filter((each) => each.includes(layer.digest.slice('sha256:'.length)))
    assert.equal((await pull(`${mirror.url}/v2/library/app/blobs/${layer.digest}`)).status, 200)
    await until(
      'it is linked and its size is noted',
      () => isAbout().at(-1)?.startsWith('HEAD') === true && isAbout().some((each) => /PutObject.*link$/.test(each)),
    )
    t.diagnostic(
      isAbout()
        .map((each) => each.split(' ')[0])
        .join(', '),
    )
    assert.ok(isAbout().length <= 9, isAbout().join('\n'))
  })

  it('what one replica remembers of an upload is not believed when another one has gone on with it', async () => {
    const bucket = await s3.newBucket()
    await using one = await startOn(bucket)
    await using two = await startOn(bucket)
    const bytes = seededBytes('shared upload', 11_000_000)
    const part = (start: number, end?: number) => new Uint8Array(bytes.subarray(start, end))
    const at = (registry: { readonly port: number }, location: string | URL | null) => {
      const address = new URL(location ?? '')
      address.port = String(registry.port)
      return address
    }
    const begun = await answered(202, `${one.url}/v2/team/app/blobs/uploads/`, { method: 'POST' })
    const append = (status: number, where: URL, body: Uint8Array<ArrayBuffer>) =>
      answered(status, where, { method: 'PATCH', headers: octets, body })
    const first = (await append(202, at(one, begun.headers.get('location')), part(0, 5_500_000))).headers.get('location')
    const second = (await append(202, at(two, first), part(5_500_000, 6_000_000))).headers.get('location')
    const late = await append(416, at(one, first), part(0, 1000))
    assert.equal(late.headers.get('range'), '0-5999999')
    const third = (await append(202, at(one, second), part(6_000_000, 10_000_000))).headers.get('location')
    const digest = digestOf(bytes)
    const last = withDigest(at(two, third).href, digest)
    await answered(201, last, { method: 'PUT', headers: octets, body: part(10_000_000) })
    await answered(404, withDigest(at(one, third).href, digest), { method: 'PUT' })
    const where = await pull(`${one.url}/v2/team/app/blobs/${digest}`)
    assert.equal(where.status, 307)
    assert.equal(digestOf((await pull(where.headers['location'] ?? '')).body), digest)
  })
})
