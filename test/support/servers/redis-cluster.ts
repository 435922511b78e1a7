// A Redis Cluster of three masters, each with a third of the slots.
import { until } from '../until.ts'
import { askRedis, type RedisServer, startRedis } from './redis.ts'

export interface RedisCluster extends AsyncDisposable {
  /** host:port of each master. */
  readonly addrs: readonly string[]
  readonly masters: readonly RedisServer[]
}

const slots = 16_384

export async function startRedisCluster(): Promise<RedisCluster> {
  await using building = new AsyncDisposableStack()
  const masters: RedisServer[] = []
  for (let count = 0; count < 3; count += 1) {
    masters.push(building.use(await startRedis(['--cluster-enabled', 'yes', '--cluster-node-timeout', '2000'])))
  }
  const [first] = masters
  if (first === undefined) throw new Error('there are three')
  for (const [at, { port }] of masters.entries()) {
    const [from, to] = [Math.floor((slots * at) / 3), Math.floor((slots * (at + 1)) / 3) - 1]
    await mustBeOk(port, ['CLUSTER', 'ADDSLOTSRANGE', String(from), String(to)])
    if (port !== first.port) await mustBeOk(port, ['CLUSTER', 'MEET', '127.0.0.1', String(first.port)])
  }
  await until(
    'all three agree',
    async () => {
      const states = await Promise.all(masters.map(({ port }) => askRedis(port, ['CLUSTER', 'INFO'])))
      return states.every((state) => state.includes('cluster_state:ok') && state.includes('cluster_known_nodes:3'))
    },
    20_000,
  )
  const running = building.move()
  return { addrs: masters.map(({ addr }) => addr), masters, [Symbol.asyncDispose]: () => running.disposeAsync() }
}

async function mustBeOk(port: number, command: readonly string[]): Promise<void> {
  const reply = await askRedis(port, command)
  if (reply !== 'OK' && reply !== '+OK') throw new Error(`${command.join(' ')}: ${reply}`)
}
