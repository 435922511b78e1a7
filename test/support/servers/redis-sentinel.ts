// A Redis master, its replica, and a Sentinel that makes the replica master when the master is gone.
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { programPath } from '../packages.ts'
import { until } from '../until.ts'
import { serverFolder, startServerProcess } from './process.ts'
import { freePort } from '../free-port.ts'
import { askRedis, type RedisServer, startRedis } from './redis.ts'

export interface SentinelGroup extends AsyncDisposable {
  /** host:port of the Sentinel. */
  readonly addr: string
  readonly mastername: string
  readonly master: RedisServer
  readonly replica: RedisServer
}

const mastername = 'mymaster'

export async function startSentinelGroup(): Promise<SentinelGroup> {
  await using building = new AsyncDisposableStack()
  const master = building.use(await startRedis())
  const replica = building.use(await startRedis(['--replicaof', '127.0.0.1', String(master.port)]))
  const port = await freePort()
  const folder = await serverFolder('sentinel')
  const settings = [
    `port ${port}`,
    'bind 127.0.0.1',
    `dir ${folder}`,
    `sentinel monitor ${mastername} 127.0.0.1 ${master.port} 1`,
    `sentinel down-after-milliseconds ${mastername} 500`,
    `sentinel failover-timeout ${mastername} 3000`,
  ]
  const configuration = join(folder, 'sentinel.conf')
  await writeFile(configuration, `${settings.join('\n')}\n`)
  building.use(
    await startServerProcess({
      folder,
      command: programPath('redis-server'),
      args: [configuration, '--sentinel'],
      ready: /\+monitor master/,
    }),
  )
  await until(
    'the Sentinel knows the replica, and the replica is in step',
    async () => {
      const known = await askRedis(port, ['SENTINEL', 'REPLICAS', mastername])
      return known.includes(`127.0.0.1:${replica.port}`) && (await replica.cli('INFO', 'replication')).includes('master_link_status:up')
    },
    20_000,
  )
  const running = building.move()
  return { addr: `127.0.0.1:${port}`, mastername, master, replica, [Symbol.asyncDispose]: () => running.disposeAsync() }
}
