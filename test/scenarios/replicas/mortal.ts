// Replicas of which the first is a process of its own, which can be killed and stopped; the others run here, for a process costs time.
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Registry, startRegistry } from '../../support/registry.ts'
import { type RedisServer, startRedis } from '../../support/servers/redis.ts'
import { type Child, startChild } from '../child.ts'
import { patientRedis } from './replicas.ts'

export interface MortalReplicas extends AsyncDisposable {
  readonly redis: RedisServer
  readonly a: Child
  readonly b: Registry
  readonly c: Registry
  /** Whether nobody holds the lease of this blob's fill. */
  isFree(digest: string): Promise<boolean>
}

export interface MortalReplicasOptions {
  readonly upstream: string
  readonly ownFolders?: boolean
}

export async function startMortalReplicas({ upstream, ownFolders = false }: MortalReplicasOptions): Promise<MortalReplicas> {
  await using building = new AsyncDisposableStack()
  const folder = await mkdtemp(join(tmpdir(), 'entrepot-mortal-'))
  building.defer(() => rm(folder, { recursive: true, force: true }))
  const redis = building.use(await startRedis())
  const sections = { redis: { addrs: [redis.addr], ...patientRedis } }
  const here = async (name: string) => {
    const store = join(folder, ownFolders ? name : 'store')
    await mkdir(store, { recursive: true })
    const proxy = { libraryprefix: true }
    return building.use(await startRegistry({ upstream, folder: store, proxy, config: sections }))
  }
  const a = building.use(await startChild({ folder, upstream, proxy: { libraryprefix: true }, config: sections }))
  const [b, c] = [await here('b'), await here('c')]
  const running = building.move()
  return {
    redis,
    a,
    b,
    c,
    isFree: async (digest) => (await redis.cli('EXISTS', `entrepot:lease:{fill:${digest}}`)) === '0',
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  }
}
