// One bucket of a real S3: registries and mirrors of ours over it, and Debian's docker-registry beside them.
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { systemClock } from '../../src/lib/clock.ts'
import { parseDigest } from '../../src/oci/digest.ts'
import { S3Driver } from '../../src/store/drivers/s3.ts'
import { blobDataPath } from '../../src/store/layout.ts'
import { LocalContent } from '../../src/store/local-content.ts'
import { silentLog } from '../../src/telemetry/log.ts'
import { s3Options } from '../store/drivers/s3-options.ts'
import { digestOf, dockerImage, type Image, ociImage, seededBytes } from '../support/images.ts'
import { startHub } from '../support/hub/hub.ts'
import { needsPackages } from '../support/packages.ts'
import { pull, type Reply } from '../support/pull.ts'
import { type Registry, startRegistry, type StartOptions } from '../support/registry.ts'
import { type DockerRegistry, startDockerRegistry } from '../support/servers/docker-registry.ts'
import { pushImage } from '../support/servers/push.ts'
import { type Radosgw, radosgwPackages, startRadosgw } from '../support/servers/radosgw.ts'
import { until } from '../support/until.ts'
import { bytesOf, layerIn } from '../scenarios/scene.ts'

const suite = 'S3'

describe(suite, await needsPackages(suite, [...radosgwPackages, 'docker-registry']), () => {
  let s3: Radosgw
  let bucket: string
  let ours: Registry
  let theirs: DockerRegistry

  const onBucket = (name: string, storage: object = {}, more: Omit<StartOptions, 'config'> = {}) =>
    startRegistry({
      ...more,
      config: {
        storage: { s3: s3.parametersOf(name), delete: { enabled: true }, cache: { blobdescriptor: 'inmemory' }, ...storage },
        http: { addr: '127.0.0.1:0', secret: 'test' },
      },
    })

  before(async () => {
    s3 = await startRadosgw()
    bucket = await s3.newBucket()
    ours = await onBucket(bucket)
    theirs = await startDockerRegistry({ storage: { s3: s3.parametersOf(bucket) } })
  })
  after(async () => {
    await ours?.[Symbol.asyncDispose]()
    await theirs?.[Symbol.asyncDispose]()
    await s3?.[Symbol.asyncDispose]()
  })

  /** As clients do: to wherever the registry sends it. */
  async function follow(url: string, headers: Readonly<Record<string, string>> = {}): Promise<Reply> {
    const reply = await pull(url, { headers })
    return reply.status === 307 ? pull(reply.headers['location'] ?? '', { headers }) : reply
  }

  async function assertPulls(registry: { readonly url: string }, name: string, tag: string, image: Image): Promise<void> {
    const manifest = await pull(`${registry.url}/v2/${name}/manifests/${tag}`, { headers: { accept: image.manifest.mediaType } })
    assert.equal(digestOf(manifest.body), image.manifest.digest)
    for (const blob of image.blobs.values()) {
      const { status, body } = await follow(`${registry.url}/v2/${name}/blobs/${blob.digest}`)
      assert.equal(status, 200)
      assert.equal(digestOf(body), blob.digest)
    }
  }

  it('what one registry pushes the other one pulls, lists and deletes', async () => {
    const registries = [ours, theirs] as const
    for (const [index, [pusher, other]] of [registries, registries.toReversed()].entries()) {
      if (pusher === undefined || other === undefined) throw new Error('two registries')
      const name = `both/image-${index}`
      const image = dockerImage({ seed: `s3 ${index}`, layers: 2 })
      await pushImage({ url: pusher.url }, name, image, ['one', 'two'])
      await assertPulls(pusher, name, 'one', image)
      await assertPulls(other, name, 'two', image)
      const tags = await pull(`${other.url}/v2/${name}/tags/list`)
      assert.deepEqual(JSON.parse(tags.body.toString()), { name, tags: ['one', 'two'] })
    }
    const catalogs = await Promise.all(registries.map(({ url }) => pull(`${url}/v2/_catalog`)))
    assert.deepEqual(catalogs[0]?.body.toString(), catalogs[1]?.body.toString())
    const { digest } = dockerImage({ seed: 's3 0', layers: 2 }).manifest
    const removed = await fetch(`${ours.url}/v2/both/image-0/manifests/${digest}`, { method: 'DELETE' })
    assert.equal(removed.status, 202)
    assert.equal((await pull(`${theirs.url}/v2/both/image-0/manifests/one`)).status, 404)
  })

  const orders: readonly (readonly [string, string, string, number])[] = [
    ['ours', 'theirs', 'ours', 150_000],
    ['theirs', 'ours', 'theirs', 150_000],
    ['ours', 'theirs', 'ours', 6_000_000],
    ['theirs', 'ours', 'theirs', 6_000_000],
    ['ours', 'ours', 'theirs', 150_000],
  ]
  for (const [first, second, third, cut] of orders) {
    it(`an upload begun by ${first}, continued by ${second}, finished by ${third}, cut at ${cut}`, async () => {
      const who = (name: string) => (name === 'ours' ? ours : theirs)
      const bytes = seededBytes(`s3 ${first} ${second} ${third} ${cut}`, 12_400_000)
      const digest = digestOf(bytes)
      const name = `shared/${first}-${second}-${third}-${cut}`
      const part = (start: number, end?: number) => new Uint8Array(bytes.subarray(start, end))
      const at = (registry: string, location: string | null) => {
        const address = new URL(location ?? '')
        address.host = new URL(who(registry).url).host
        return address
      }
      const send = async (registry: string, location: string | null, body: Uint8Array<ArrayBuffer>) => {
        const headers = { 'content-type': 'application/octet-stream' }
        const sent = await fetch(at(registry, location), { method: 'PATCH', headers, body })
        assert.equal(sent.status, 202, await sent.text())
        return sent.headers
      }
      const begun = await fetch(`${who(first).url}/v2/${name}/blobs/uploads/`, { method: 'POST' })
      const one = await send(first, begun.headers.get('location'), part(0, cut))
      assert.equal(one.get('range'), `0-${cut - 1}`)
      const two = await send(second, one.get('location'), part(cut, cut + 200_000))
      assert.equal(two.get('range'), `0-${cut + 199_999}`)
      const last = at(third, two.get('location'))
      last.searchParams.set('digest', digest)
      const done = await fetch(last, { method: 'PUT', headers: { 'content-type': 'application/octet-stream' }, body: part(cut + 200_000) })
      assert.equal(done.status, 201, await done.text())
      for (const registry of [ours, theirs]) {
        const got = await follow(`${registry.url}/v2/${name}/blobs/${digest}`)
        assert.ok(got.body.equals(bytes))
      }
    })
  }

  it('answers GET and HEAD by an address at the storage, except where no byte is wanted', async () => {
    const image = ociImage({ seed: 's3 redirect', layers: 1 })
    const layer = layerIn(image)
    await pushImage({ url: ours.url }, 'redirect/image', image, ['latest'])
    const url = `${ours.url}/v2/redirect/image/blobs/${layer.digest}`
    for (const method of ['GET', 'HEAD'] as const) {
      const asked = await pull(url, { method })
      assert.equal(asked.status, 307)
      assert.equal(asked.body.length, 0)
      const location = new URL(asked.headers['location'] ?? '')
      assert.equal(location.origin, s3.url)
      assert.equal(location.searchParams.get('X-Amz-Expires'), '1200')
      const answer = await pull(location.href, { method })
      assert.deepEqual([answer.status, answer.headers['content-length']], [200, String(layer.size)])
      assert.equal((await pull(location.href, { method: method === 'GET' ? 'HEAD' : 'GET' })).status, 403, 'for this method only')
      location.searchParams.set('X-Amz-Expires', '9999')
      assert.equal((await pull(location.href, { method })).status, 403, 'nothing of it can be changed')
    }
    const part = await follow(url, { range: 'bytes=10-19' })
    assert.deepEqual([part.status, part.body], [206, (await bytesOf(layer)).subarray(10, 20)])
    assert.equal((await pull(url, { headers: { range: `bytes=${layer.size}-` } })).status, 416)
    assert.equal((await pull(url, { headers: { 'if-none-match': `"${layer.digest}"` } })).status, 304)
  })

  it('serves bytes itself where redirects are off, ranges too', async () => {
    await using registry = await onBucket(bucket, { redirect: { disable: true } })
    const image = ociImage({ seed: 's3 direct', layers: 1 })
    const layer = layerIn(image)
    await pushImage({ url: registry.url }, 'direct/image', image, ['latest'])
    const url = `${registry.url}/v2/direct/image/blobs/${layer.digest}`
    const whole = await pull(url)
    assert.deepEqual([whole.status, digestOf(whole.body)], [200, layer.digest])
    const part = await pull(url, { headers: { range: 'bytes=5-14' } })
    assert.deepEqual([part.status, part.body], [206, (await bytesOf(layer)).subarray(5, 15)])
  })

  it('a mirror streams a cold blob, keeps it in S3, and then sends clients there', async () => {
    const image = ociImage({ seed: 's3 mirror', layers: 1 })
    const layer = layerIn(image)
    await using hub = await startHub()
    hub.add('library/app', image, { tags: ['latest'] })
    await using mirror = await onBucket(await s3.newBucket(), {}, { upstream: hub.url })
    const url = `${mirror.url}/v2/library/app/blobs/${layer.digest}`
    const cold = await pull(url)
    assert.deepEqual([cold.status, cold.headers['x-cache'], digestOf(cold.body)], [200, 'miss', layer.digest])
    await until('the blob is in S3', async () => (await pull(url, { method: 'HEAD' })).status === 307, 10_000)
    const warm = await pull(url)
    assert.deepEqual([warm.status, warm.headers['x-cache']], [307, 'hit'])
    assert.equal(digestOf((await follow(url)).body), layer.digest)
    assert.equal(hub.count({ kind: 'cdn', digest: layer.digest }), 1, hub.describeLedger())
  })

  it('garbage collection takes what nothing refers to, and leaves what a pusher relies on meanwhile', async () => {
    const name = await s3.newBucket()
    await using registry = await onBucket(name, { redirect: { disable: true } })
    const [kept, removed] = [ociImage({ seed: 's3 kept', layers: 1 }), ociImage({ seed: 's3 removed', layers: 2 })]
    await pushImage({ url: registry.url }, 'gc/kept', kept, ['latest'])
    await pushImage({ url: registry.url }, 'gc/removed', removed, ['latest'])
    const address = `${registry.url}/v2/gc/removed/manifests/${removed.manifest.digest}`
    assert.equal((await fetch(address, { method: 'DELETE' })).status, 202)
    await using driver = await S3Driver.open(s3Options(s3, name), { clock: systemClock, log: silentLog })
    const inAnHour = { ...systemClock, now: () => Date.now() + 3_600_000 }
    const [relied, ...rest] = [...removed.blobs.keys()]
    assert.ok(relied !== undefined && rest.length === 2)
    // As a pusher does that asks for a blob and does not send it again.
    await driver.touch(blobDataPath(parseDigest(relied)), inAnHour.now())
    const content = new LocalContent({ driver, clock: inAnHour, log: silentLog })
    const options = { isDryRun: false, deleteUntagged: false, graceMs: 60_000 }
    const totals = await content.collectGarbage(options, () => {}, new AbortController().signal)
    // The two other blobs and the manifest.
    assert.equal(totals.deletedBlobs, 3)
    await assertPulls(registry, 'gc/kept', 'latest', kept)
    assert.deepEqual(
      await Promise.all([relied, ...rest].map(async (digest) => (await driver.stat(blobDataPath(parseDigest(digest)))) !== undefined)),
      [true, false, false],
    )
  })
})
