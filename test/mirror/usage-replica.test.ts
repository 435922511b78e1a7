// What several processes on one store, with a usage index each, come to know of each other through a real Redis, and without it.
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import { LocalLeases } from '../../src/cluster/local-leases.ts'
import { RedisConnection } from '../../src/cluster/redis.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { Eviction } from '../../src/mirror/eviction.ts'
import { StoredPins } from '../../src/mirror/stored-pins.ts'
import { UsageExchange } from '../../src/mirror/usage-exchange.ts'
import { ReplicaUsage } from '../../src/mirror/usage-replica.ts'
import { SqliteUsage } from '../../src/mirror/usage-sqlite.ts'
import { parseDigest } from '../../src/oci/digest.ts'
import { parseRepositoryName, parseTag } from '../../src/oci/names.ts'
import { silentLog } from '../../src/telemetry/log.ts'
import { usageIndexContract } from '../contracts/usage-index.ts'
import { type Image, ociImage } from '../support/images.ts'
import { needsPackages } from '../support/packages.ts'
import { type RedisServer, startRedis } from '../support/servers/redis.ts'
import { keep, type Replica, startReplicaStage } from './replica-stage.ts'

const name = 'usage indexes of replicas'
const repository = parseRepositoryName('library/some')
const minuteMs = 60_000
const imageNamed = (seed: string) => ociImage({ seed: `replica usage ${seed}`, layers: 1, layerBytes: 100_000 })
const digestOf = (image: Image) => parseDigest(image.manifest.digest)

/** Each tells what it knows, then each learns it. */
async function exchange(...replicas: readonly Replica[]): Promise<void> {
  for (let turn = 0; turn < 2; turn += 1) for (const { usage } of replicas) await usage.flush()
}

async function imagesOf({ index }: Replica): Promise<string[]> {
  return (await index.images({ limit: 10, order: 'name' })).map(({ tag, digest }) => `${tag} ${digest}`)
}

const rootsOf = async ({ index }: Replica) => (await index.oldest(10)).map(({ digest }) => digest)

describe(name, await needsPackages(name, ['redis-server']), () => {
  describe('contract', () => {
    let redis: RedisServer
    let connection: RedisConnection
    before(async () => {
      redis = await startRedis()
      connection = await RedisConnection.open({ addrs: [redis.addr], db: 0 }, { clock: systemClock, log: silentLog })
    })
    after(async () => {
      await connection[Symbol.asyncDispose]()
      await redis[Symbol.asyncDispose]()
    })
    usageIndexContract('a replica', async () => {
      const id = randomUUID()
      const own = await SqliteUsage.open(':memory:', silentLog)
      let file: Uint8Array | undefined
      const pinFile = { read: async () => file, write: async (bytes: Uint8Array) => void (file = bytes) }
      const parts = { clock: systemClock, log: silentLog }
      const pins = new StoredPins({ file: pinFile, leases: new LocalLeases(), ...parts })
      const others = new UsageExchange({ redis: connection, storeId: async () => id, ...parts })
      return new ReplicaUsage({ own, pins, others, now: () => systemClock.now() })
    })
  })

  it('what one gets, tags and removes, the others know', async () => {
    await using stage = await startReplicaStage()
    await using a = await stage.join()
    await using b = await stage.join()
    const [one, two] = [imageNamed('one'), imageNamed('two')]
    await keep(a, repository, one, 'latest')
    await keep(a, repository, two, 'other')
    await exchange(a, b)
    assert.deepEqual(await imagesOf(b), [`latest ${one.manifest.digest}`, `other ${two.manifest.digest}`])
    assert.deepEqual(await b.index.totals(), await a.index.totals())
    await a.store.putTag(repository, parseTag('latest'), digestOf(two))
    await a.store.removeTag(repository, parseTag('other'))
    await exchange(a, b)
    assert.equal((await imagesOf(b))[0], `latest ${two.manifest.digest}`)
    await a.store.removeManifest(repository, digestOf(one))
    await exchange(a, b)
    assert.deepEqual(await imagesOf(b), [`latest ${two.manifest.digest}`])
    assert.deepEqual(await b.index.totals(), await a.index.totals())
  })

  it('a use on one counts on all, also for the tag, and for one that comes later', async () => {
    await using stage = await startReplicaStage()
    const { clock, redis } = stage
    await using a = await stage.join()
    await using b = await stage.join()
    const [one, two] = [imageNamed('one'), imageNamed('two')]
    await keep(a, repository, one, '1')
    clock.jump(minuteMs)
    await keep(a, repository, two, '2')
    await exchange(a, b)
    assert.deepEqual(await rootsOf(b), [digestOf(one), digestOf(two)])
    clock.jump(minuteMs)
    a.usage.noteManifest(repository, parseTag('1'), digestOf(one))
    await exchange(a, b)
    assert.deepEqual(await rootsOf(b), [digestOf(two), digestOf(one)])
    assert.equal((await b.index.images({ limit: 1 }))[0]?.tag, '1')
    await using late = await stage.join()
    assert.deepEqual(await rootsOf(late), [digestOf(two), digestOf(one)])
    await late.store.removeManifest(repository, digestOf(one))
    await late.usage.flush()
    assert.equal(await redis.cli('ZRANGE', 'entrepot:usage:{some store}:used', '0', '-1'), '')
  })

  it('who evicts counts what others used until then, and spares what others pinned', async () => {
    await using stage = await startReplicaStage()
    const { clock } = stage
    await using a = await stage.join()
    await using b = await stage.join()
    const images = ['used', 'pinned', 'idle', 'newest'].map(imageNamed)
    const [used, pinned, idle, newest] = images
    for (const [at, image] of images.entries()) {
      await keep(a, repository, image, `t${at}`)
      clock.jump(minuteMs)
    }
    if (used === undefined || pinned === undefined || idle === undefined || newest === undefined) throw new Error('four images')
    await exchange(a, b)
    // Nothing of this is written or told when b is asked: a flushes only as it would by itself.
    a.usage.noteManifest(repository, digestOf(used), digestOf(used))
    await a.usage.flush()
    await a.index.pin('library/some:t1')
    clock.jump(minuteMs)
    await using eviction = new Eviction({
      usage: b.usage,
      store: b.store,
      disk: async () => undefined,
      policy: { maxSize: { bytes: 350_000 }, minFree: undefined, ttlMs: 0, pins: [] },
      isOwn: undefined,
      facts: { evicted: () => undefined },
      leases: new LocalLeases(),
      tell: () => undefined,
      clock,
      log: silentLog,
    })
    await eviction.run()
    assert.deepEqual((await rootsOf(b)).toSorted(), [digestOf(used), digestOf(pinned), digestOf(newest)].toSorted())
    // The other one has no more to evict.
    await a.usage.flush()
    assert.deepEqual(await a.index.totals(), await b.index.totals())
    assert.equal(await b.index.unpin('library/some:t1'), true)
    clock.jump(2000)
    assert.deepEqual(await a.index.pins(), [])
  })

  it('what one removes while another has it again stays', async () => {
    await using stage = await startReplicaStage()
    const { clock } = stage
    await using a = await stage.join()
    await using b = await stage.join()
    const image = imageNamed('back')
    await keep(a, repository, image, '1')
    await exchange(a, b)
    clock.jump(minuteMs)
    await a.store.removeManifest(repository, digestOf(image))
    await a.usage.settled()
    clock.jump(10)
    await keep(b, repository, image, '1')
    await b.usage.settled()
    await exchange(a, b)
    for (const each of [a, b]) assert.deepEqual(await imagesOf(each), [`1 ${image.manifest.digest}`])
  })

  it('10,000 uses are written in few commands, and read once', async () => {
    await using stage = await startReplicaStage()
    await using a = await stage.join()
    await using b = await stage.join()
    const digest = parseDigest(`sha256:${'0'.repeat(64)}`)
    const uses = Array.from({ length: 10_000 }, (_, at) => ({ repository: parseRepositoryName(`r${at}`), digest, tag: undefined }))
    const counted = async (replica: Replica) => {
      const before = replica.asked()
      const { doubtful } = await replica.index.exchange(true)
      return [replica.asked() - before, doubtful.length] as const
    }
    await a.index.use(uses, stage.clock.now())
    const [written] = await counted(a)
    assert.ok(written < 60, `${written} commands`)
    assert.equal((await counted(b))[1], 10_000)
    assert.equal((await counted(b))[1], 0)
    assert.equal((await counted(a))[1], 0)
  })
})
