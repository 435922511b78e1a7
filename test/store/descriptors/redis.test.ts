// The descriptor cache in a real Redis, alone and shared with Debian's docker-registry.
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { RedisConnection } from '../../../src/cluster/redis.ts'
import { systemClock } from '../../../src/lib/clock.ts'
import { type Digest, digestOf } from '../../../src/oci/digest.ts'
import { parseRepositoryName } from '../../../src/oci/names.ts'
import { LayeredDescriptorCache } from '../../../src/store/descriptors/layered.ts'
import { MemoryDescriptorCache } from '../../../src/store/descriptors/memory.ts'
import { RedisDescriptorCache } from '../../../src/store/descriptors/redis.ts'
import { silentLog } from '../../../src/telemetry/log.ts'
import { descriptorCacheContract } from '../../contracts/descriptor-cache.ts'
import { needsPackages } from '../../support/packages.ts'
import { startRegistry } from '../../support/registry.ts'
import { startDockerRegistry } from '../../support/servers/docker-registry.ts'
import { type RedisServer, startRedis } from '../../support/servers/redis.ts'
import { until } from '../../support/until.ts'

const repository = parseRepositoryName('library/busybox')
const bytes = Buffer.from('a layer that two registries know')
const descriptor = { mediaType: 'application/octet-stream', digest: digestOf(bytes), size: bytes.length }
const { digest } = descriptor

describe('descriptor cache in Redis', await needsPackages('descriptor cache in Redis', ['redis-server', 'docker-registry']), () => {
  let redis: RedisServer
  let connection: RedisConnection
  const open = () => new RedisDescriptorCache({ redis: connection, log: silentLog })
  const near = () => new MemoryDescriptorCache({ clock: systemClock })

  before(async () => {
    redis = await startRedis()
    connection = await RedisConnection.open({ addrs: [redis.addr], db: 0 }, { clock: systemClock, log: silentLog })
  })
  after(async () => {
    await connection[Symbol.asyncDispose]()
    await redis[Symbol.asyncDispose]()
  })

  const openFlushed = async () => {
    await redis.cli('FLUSHALL')
    return open()
  }
  descriptorCacheContract('Redis', openFlushed)
  descriptorCacheContract('memory before Redis', async () => new LayeredDescriptorCache({ near: near(), far: await openFlushed() }))

  it("has distribution's keys and fields", async () => {
    const cache = await openFlushed()
    await cache.put(repository, descriptor)
    assert.equal((await redis.cli('KEYS', '*')).split('\n').toSorted().join(), `${blobKey(digest)},${setKey},${linkKey(digest)}`)
    assert.equal(await redis.cli('SMEMBERS', setKey), digest)
    const fields = (await redis.cli('HGETALL', blobKey(digest))).split('\n')
    const byName = Object.fromEntries(fields.flatMap((name, at) => (at % 2 === 0 ? [[name, fields[at + 1]]] : [])))
    assert.deepEqual(byName, { digest, size: String(bytes.length), mediatype: descriptor.mediaType })
    assert.equal(await redis.cli('HGETALL', linkKey(digest)), `mediatype\n${descriptor.mediaType}`)
    await cache.remove(repository, digest)
    const left = (await redis.cli('KEYS', '*')).split('\n').filter((key) => !key.startsWith('entrepot:'))
    assert.deepEqual(left.join(), '')
  })

  it('a look that began before a deletion is not remembered after it, and nobody believes what another one wrote', async () => {
    const [a, b] = [await openFlushed(), open()]
    await a.put(repository, descriptor)
    await b.remove(repository, digest)
    await a.put(repository, descriptor)
    assert.equal(await a.find(repository, digest), undefined)
    // As a registry:2 would that knows nothing of the deletion.
    await redis.cli('SADD', setKey, digest)
    await redis.cli('HSET', blobKey(digest), 'digest', digest, 'size', '1', 'mediatype', 'a/b')
    await redis.cli('HSET', linkKey(digest), 'mediatype', 'a/b')
    assert.equal(await a.find(repository, digest), undefined)
  })

  for (const [what, command] of [
    ['a digest of another blob', ['HSET', blobKey(digest), 'digest', digestOf(Buffer.from('other'))]],
    ['a size that is none', ['HSET', blobKey(digest), 'size', 'many']],
    ['no size', ['HDEL', blobKey(digest), 'size']],
    ['no type in the repository', ['DEL', linkKey(digest)]],
    ['a key of another kind', ['SET', blobKey(digest), 'text']],
  ] as const) {
    it(`does not believe ${what}`, async () => {
      const cache = await openFlushed()
      await cache.put(repository, descriptor)
      await redis.cli(...command)
      assert.equal(await cache.find(repository, digest), undefined)
    })
  }

  it('memory is asked first, and an entry of Redis is believed when its bytes are there', async () => {
    const far = await openFlushed()
    await far.put(repository, descriptor)
    let isThere = true
    const cache = new LayeredDescriptorCache({ near: near(), far, isThere: async () => isThere })
    const found = await cache.find(repository, digest)
    assert.deepEqual(found, descriptor)
    await redis.cli('FLUSHALL')
    assert.equal(await cache.find(repository, digest), found, 'the same object, from memory')
    await far.put(repository, descriptor)
    isThere = false
    const other = new LayeredDescriptorCache({ near: near(), far, isThere: async () => isThere })
    assert.equal(await other.find(repository, digest), undefined)
    isThere = true
    assert.equal(await other.find(repository, digest), undefined, 'it is out of Redis, too')
  })

  it("one folder and one Redis with Debian's docker-registry: what it writes we read, what we write it reads", async () => {
    await redis.cli('FLUSHALL')
    const folder = await mkdtemp(join(tmpdir(), 'entrepot-shared-redis-'))
    try {
      const cache = { cache: { blobdescriptor: 'redis' } }
      await using theirs = await startDockerRegistry({ storageFolder: folder, storage: cache, config: { redis: { addr: redis.addr } } })
      await using ours = await startRegistry({
        config: {
          storage: { filesystem: { rootdirectory: folder }, delete: { enabled: true }, ...cache },
          redis: { addr: redis.addr },
          http: { addr: '127.0.0.1:0', secret: 'test' },
        },
      })
      const [blobOfTheirs, blobOfOurs] = [Buffer.from('pushed to docker-registry'), Buffer.from('pushed to us')]
      const [theirDigest, ourDigest] = [digestOf(blobOfTheirs), digestOf(blobOfOurs)]
      await push(theirs.url, blobOfTheirs)
      await statusAt(theirs.url, theirDigest)
      const written = await redis.cli('HGETALL', blobKey(theirDigest))
      assert.match(written, new RegExp(`digest\n${theirDigest}`), 'it writes the keys that we know')
      assert.deepEqual(await open().find(repository, theirDigest), { ...descriptor, digest: theirDigest, size: blobOfTheirs.length })
      assert.equal(await statusAt(ours.url, theirDigest), 200)

      await push(ours.url, blobOfOurs)
      await until('it may be remembered again', async () => {
        await redis.cli('DEL', `entrepot:removed:${repository}@${ourDigest}`)
        assert.equal(await statusAt(ours.url, ourDigest, 'HEAD'), 200)
        return (await redis.cli('HGET', blobKey(ourDigest), 'size')) === String(blobOfOurs.length)
      })
      // It believes Redis before the disk: a size that only Redis has is what it tells.
      await redis.cli('HSET', blobKey(ourDigest), 'size', '4711')
      const told = await fetch(`${theirs.url}/v2/${repository}/blobs/${ourDigest}`, { method: 'HEAD' })
      assert.equal(told.headers.get('content-length'), '4711', 'docker-registry read what we wrote')

      assert.equal(await statusAt(ours.url, theirDigest, 'DELETE'), 202)
      assert.equal(await statusAt(theirs.url, theirDigest), 404, 'what we delete is gone there, too')
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  })
})

const setKey = `repository::${repository}::blobs`

function blobKey(of: Digest): string {
  return `blobs::${of}`
}

function linkKey(of: Digest): string {
  return `repository::${repository}::blobs::${of}`
}

async function push(url: string, body: Buffer): Promise<void> {
  const begun = await fetch(`${url}/v2/${repository}/blobs/uploads/`, { method: 'POST' })
  const location = new URL(begun.headers.get('location') ?? '', url)
  location.searchParams.set('digest', digestOf(body))
  const put = await fetch(location, { method: 'PUT', body, headers: { 'content-type': 'application/octet-stream' } })
  assert.equal(put.status, 201)
}

async function statusAt(url: string, of: Digest, method = 'GET'): Promise<number> {
  const answer = await fetch(`${url}/v2/${repository}/blobs/${of}`, { method })
  await answer.arrayBuffer()
  return answer.status
}
