// Several of our servers that share a Redis, and one folder unless each is to have its own.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Registry, startRegistry, type StartOptions } from '../../support/registry.ts'
import { type RedisServer, startRedis } from '../../support/servers/redis.ts'

export interface Replicas extends AsyncDisposable {
  readonly redis: RedisServer
  readonly all: readonly Registry[]
  readonly a: Registry
  readonly b: Registry
  readonly c: Registry
}

export interface ReplicasOptions extends Omit<StartOptions, 'folder'> {
  /** Further keys of `redis` in the configuration. */
  readonly redisKeys?: Readonly<Record<string, unknown>>
  readonly ownFolders?: boolean
}

/** For tests in which Redis is there all the time: a busy machine must not look like an outage. */
export const patientRedis = { readtimeout: '5s' } as const

export async function startReplicas({ redisKeys, ownFolders = false, config, ...options }: ReplicasOptions = {}): Promise<Replicas> {
  await using building = new AsyncDisposableStack()
  const redis = building.use(await startRedis())
  const folder = await mkdtemp(join(tmpdir(), 'entrepot-replicas-'))
  building.defer(() => rm(folder, { recursive: true, force: true }))
  const start = async () =>
    building.use(
      await startRegistry({
        ...options,
        ...(ownFolders ? {} : { folder }),
        config: { redis: { addrs: [redis.addr], ...redisKeys }, ...config },
      }),
    )
  const [a, b, c] = [await start(), await start(), await start()]
  const running = building.move()
  return { redis, all: [a, b, c], a, b, c, [Symbol.asyncDispose]: () => running.disposeAsync() }
}
