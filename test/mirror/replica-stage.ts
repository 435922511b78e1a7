// Replicas of the usage index without the servers around them: a folder that all have, a real Redis, an index in memory each.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { LocalLeases } from '../../src/cluster/local-leases.ts'
import { RedisConnection } from '../../src/cluster/redis.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { StoredPins } from '../../src/mirror/stored-pins.ts'
import { Usage } from '../../src/mirror/usage.ts'
import { type ExchangeParts, UsageExchange } from '../../src/mirror/usage-exchange.ts'
import { ReplicaUsage } from '../../src/mirror/usage-replica.ts'
import { SqliteUsage } from '../../src/mirror/usage-sqlite.ts'
import { parseDigest } from '../../src/oci/digest.ts'
import { parseTag, type RepositoryName } from '../../src/oci/names.ts'
import { silentLog } from '../../src/telemetry/log.ts'
import { FilesystemDriver } from '../../src/store/drivers/filesystem.ts'
import { LocalContent } from '../../src/store/local-content.ts'
import { JumpingClock } from '../support/clock.ts'
import type { Image } from '../support/images.ts'
import { type RedisServer, startRedis } from '../support/servers/redis.ts'

export interface Replica extends AsyncDisposable {
  readonly usage: Usage
  readonly store: LocalContent
  readonly index: ReplicaUsage
  /** Commands that it has sent to Redis. */
  asked(): number
}

export interface ReplicaStage extends AsyncDisposable {
  readonly redis: RedisServer
  readonly clock: JumpingClock
  readonly folder: string
  /** Another one on the same folder; complete, and with all that was told until now. */
  join(): Promise<Replica>
}

export async function startReplicaStage(): Promise<ReplicaStage> {
  await using building = new AsyncDisposableStack()
  const redis = building.use(await startRedis())
  const folder = await mkdtemp(join(tmpdir(), 'entrepot-usage-'))
  building.defer(() => rm(folder, { recursive: true, force: true }))
  const clock = new JumpingClock()
  const leases = new LocalLeases()
  const running = building.move()
  return {
    redis,
    clock,
    folder,
    join: () => startReplica({ redis, folder, clock, leases }),
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  }
}

type ReplicaParts = Pick<ReplicaStage, 'redis' | 'folder' | 'clock'> & { readonly leases: LocalLeases }

async function startReplica({ redis: { addr }, folder, clock, leases }: ReplicaParts): Promise<Replica> {
  await using building = new AsyncDisposableStack()
  const log = silentLog
  const redis = building.use(await RedisConnection.open({ addrs: [addr], db: 0 }, { clock: systemClock, log }))
  const driver = new FilesystemDriver({ root: folder })
  const file = { read: () => driver.read('/pins'), write: (bytes: Uint8Array) => driver.write('/pins', bytes) }
  const own = await SqliteUsage.open(':memory:', log)
  let asked = 0
  const counted: ExchangeParts['redis'] = {
    ask(command, ...args) {
      asked += 1
      return redis.ask(command, ...args)
    },
  }
  const others = new UsageExchange({ redis: counted, storeId: async () => 'some store', clock, log })
  const index = new ReplicaUsage({ own, pins: new StoredPins({ file, leases, clock, log }), others, now: () => clock.now() })
  const usage: Usage = building.use(new Usage({ openIndex: async () => index, leases: new LocalLeases(), clock, log }))
  const store = new LocalContent({ driver, log, clock, changes: usage })
  usage.start(store)
  await usage.rebuilt()
  await usage.flush()
  const running = building.move()
  return { usage, store, index, asked: () => asked, [Symbol.asyncDispose]: () => running.disposeAsync() }
}

/** As a client pushes it. */
export async function keep({ store }: Replica, repository: RepositoryName, image: Image, tag: string): Promise<void> {
  const { signal } = new AbortController()
  for (const blob of image.blobs.values()) {
    const { id } = await store.beginUpload(repository)
    await store.appendToUpload(repository, id, { offset: 0, body: Readable.from(blob.read(0, blob.size)) }, signal)
    await store.finishUpload(repository, id, parseDigest(blob.digest))
  }
  await store.pushManifest(repository, { bytes: image.manifest.bytes, mediaType: image.manifest.mediaType }, { tags: [parseTag(tag)] })
}
