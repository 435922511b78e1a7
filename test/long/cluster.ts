// A whole cluster for long tests: three replicas as processes behind haproxy with its file of config/examples, on Ceph's S3 and a Redis.
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Hub, startHub } from '../support/hub/hub.ts'
import type { Package } from '../support/packages.ts'
import { startHaproxy } from '../support/servers/proxies.ts'
import { type Radosgw, radosgwPackages, startRadosgw } from '../support/servers/radosgw.ts'
import { freePort } from '../support/free-port.ts'
import { type RedisServer, startRedis } from '../support/servers/redis.ts'
import { type Child, startChild } from '../scenarios/child.ts'

export const clusterPackages: readonly Package[] = [...radosgwPackages, 'redis-server', 'haproxy']

/** One replica, which keeps its port over its lives. */
export class Replica {
  readonly url: string
  readonly #start: () => Promise<Child>
  #child: Child | undefined
  /** What former lives have logged. */
  #logs = ''

  constructor(port: number, start: () => Promise<Child>) {
    this.url = `http://127.0.0.1:${port}`
    this.#start = start
  }

  get log(): string {
    return this.#logs + (this.#child?.log() ?? '')
  }

  get pid(): number {
    if (this.#child === undefined) throw new Error(`${this.url} does not run`)
    return this.#child.pid
  }

  async start(): Promise<void> {
    this.#child ??= await this.#start()
  }

  async kill(): Promise<void> {
    const child = this.#child
    this.#child = undefined
    await child?.end('SIGKILL')
    this.#logs += child?.log() ?? ''
  }
}

export interface Cluster extends AsyncDisposable {
  readonly hub: Hub
  readonly redis: RedisServer
  readonly s3: Radosgw
  readonly bucket: string
  readonly replicas: readonly Replica[]
  /** Of the balancer. */
  readonly url: string
  readonly port: number
  /** Keys of the leases that are held. */
  leases(): Promise<string[]>
}

/** `redisKeys`: further keys of `redis` in the configuration. */
export async function startCluster({ redisKeys }: { redisKeys?: Readonly<Record<string, unknown>> } = {}): Promise<Cluster> {
  await using building = new AsyncDisposableStack()
  const folder = await mkdtemp(join(tmpdir(), 'entrepot-cluster-'))
  building.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }))
  const hub = building.use(await startHub())
  const redis = building.use(await startRedis())
  const s3 = building.use(await startRadosgw())
  const bucket = await s3.newBucket()
  const storage = {
    s3: s3.parametersOf(bucket),
    cache: { blobdescriptor: 'redis' },
    redirect: { disable: true },
    delete: { enabled: true },
  }
  const replicas: Replica[] = []
  for (const name of ['a', 'b', 'c']) {
    const place = join(folder, name)
    await mkdir(join(place, 'incoming'), { recursive: true })
    const port = await freePort()
    const replica = new Replica(port, () =>
      startChild({
        folder: place,
        upstream: hub.url,
        http: { addr: `127.0.0.1:${port}` },
        proxy: { libraryprefix: true, local: ['local/**'] },
        config: { storage, redis: { addrs: [redis.addr], ...redisKeys } },
        env: { TMPDIR: join(place, 'incoming') },
      }),
    )
    building.defer(() => replica.kill())
    replicas.push(replica)
  }
  await Promise.all(replicas.map((each) => each.start()))
  const [a = '', b = '', c = ''] = replicas.map(({ url }) => new URL(url).host)
  const substitutions = { 'replica-a:5000': a, 'replica-b:5000': b, 'replica-c:5000': c }
  const balancer = building.use(await startHaproxy({ example: 'haproxy.cfg', substitutions }))
  const running = building.move()
  return {
    hub,
    redis,
    s3,
    bucket,
    replicas,
    url: `http://${balancer.host}`,
    port: balancer.port,
    async leases() {
      const keys = await redis.cli('KEYS', 'entrepot:lease:*')
      return keys.split('\n').filter((key) => key !== '' && !key.endsWith(':fence'))
    },
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  }
}
