// More processes for the same content: hits with one, two and three replicas, and with two workers behind one port; what Redis adds to a
// hit. All on one machine, clients included, so replicas share its cores: on machines of their own they add up.
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { type Image, ociImage } from '../support/images.ts'
import { ensurePackages } from '../support/packages.ts'
import { runProgram } from '../support/servers/program.ts'
import { pushImage } from '../support/servers/push.ts'
import { startRedis } from '../support/servers/redis.ts'
import { type BenchOptions, type Measurement, median, medianRatio } from './measurement.ts'
import { RawClient } from './raw-client.ts'
import { type ServerProcess, workFolder } from './server-process.ts'
import { startOwnRegistry } from './servers.ts'

const bench = 'replicas'
const repository = 'bench/app'
/** Beyond this share of a hit without Redis, somebody asks it on the way. */
const mostAdded = 1.1

export async function replicas(options: BenchOptions): Promise<Measurement[]> {
  const problem = await ensurePackages(['redis-server', 'wrk'])
  if (problem !== undefined) throw new Error(problem)
  await using building = new AsyncDisposableStack()
  const folder = building.use(await workFolder())
  const redis = building.use(await startRedis())
  const storage = { filesystem: { rootdirectory: join(folder.path, 'data') }, cache: { blobdescriptor: 'redis' } }
  const shared = { storage, redis: { addrs: [redis.addr] } }
  const start = async (name: string, more: object) => {
    const place = join(folder.path, name)
    await mkdir(place)
    return building.use(await startOwnRegistry(place, more))
  }
  const alone = await start('alone', { storage: { ...storage, cache: { blobdescriptor: 'inmemory' } } })
  const three = [await start('a', shared), await start('b', shared), await start('c', shared)] as const
  const workers = await start('workers', { ...shared, http: { addr: '127.0.0.1:0', secret: 'bench', workers: 2 } })
  const image = ociImage({ seed: bench, layers: 1, layerBytes: 100_000 })
  await pushImage({ url: `http://127.0.0.1:${alone.port}` }, repository, image, ['latest'])
  return [...(await hits({ alone, three, workers }, image, options)), await latency(alone, three[0], image, options)]
}

interface Contestants {
  readonly alone: ServerProcess
  readonly three: readonly ServerProcess[]
  readonly workers: ServerProcess
}

const pathOf = (image: Image) => `/v2/${repository}/manifests/${image.manifest.digest}`

/** Requests per second of all together, each asked by a wrk of its own. */
async function rateOf(servers: readonly ServerProcess[], path: string, seconds: number): Promise<number> {
  const rates = await Promise.all(
    servers.map(async ({ port }) => {
      const { stdout } = await runProgram('wrk', ['-c16', '-t1', `-d${seconds}s`, `http://127.0.0.1:${port}${path}`])
      if (/Socket errors/.test(stdout)) throw new Error(`wrk met errors:\n${stdout}`)
      return Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1])
    }),
  )
  return rates.reduce((sum, rate) => sum + rate, 0)
}

async function hits({ three, workers }: Contestants, image: Image, { isQuick, tell }: BenchOptions): Promise<Measurement[]> {
  const [rounds, seconds] = isQuick ? [2, 2] : [5, 4]
  tell(`${rounds} rounds of ${seconds} s of wrk on a manifest: 1, 2, 3 replicas, 2 workers`)
  const setups = { '1 replica': three.slice(0, 1), '2 replicas': three.slice(0, 2), '3 replicas': three, 'workers: 2': [workers] }
  const results = new Map<string, number[]>(Object.keys(setups).map((name) => [name, []]))
  for (const servers of Object.values(setups)) await rateOf(servers, pathOf(image), 1)
  for (let round = 0; round < rounds; round += 1) {
    for (const [name, servers] of Object.entries(setups)) results.get(name)?.push(await rateOf(servers, pathOf(image), seconds))
  }
  const one = results.get('1 replica') ?? []
  return [...results].map(([name, rates]) => ({
    bench,
    what: `a cached manifest, ${name} on this machine: requests per second`,
    measured: `${median(rates).toFixed(0)}/s, ${medianRatio(rates, one).toFixed(2)} x one`,
    numbers: { perSecond: rates, ratio: medianRatio(rates, one) },
  }))
}

/** Microseconds of one request after the other on one connection. */
async function medianOf({ port }: ServerProcess, path: string, count: number): Promise<number> {
  using client = new RawClient(port)
  const spans: number[] = []
  for (let turn = 0; turn < count; turn += 1) spans.push((await client.get(path)).lastByteMs * 1000)
  return median(spans)
}

async function latency(
  alone: ServerProcess,
  withRedis: ServerProcess,
  image: Image,
  { isQuick, tell }: BenchOptions,
): Promise<Measurement> {
  const rounds = isQuick ? 5 : 15
  tell(`${rounds} rounds of 1,000 manifests, one after the other, with and without Redis`)
  return compared(alone, withRedis, pathOf(image), rounds)
}

async function compared(alone: ServerProcess, withRedis: ServerProcess, path: string, rounds: number): Promise<Measurement> {
  const [without, using]: [number[], number[]] = [[], []]
  for (let round = -1; round < rounds; round += 1) {
    const both = [
      async () => without.push(await medianOf(alone, path, 1_000)),
      async () => using.push(await medianOf(withRedis, path, 1_000)),
    ]
    for (const measure of round % 2 === 0 ? both : both.toReversed()) await measure()
    // The first one compiles code.
    if (round < 0) [without.length, using.length] = [0, 0]
  }
  const ratio = medianRatio(using, without)
  return {
    bench,
    what: 'a cached manifest, one request at a time: with Redis, against none',
    goal: `at most ${mostAdded} x the time`,
    measured: `${ratio.toFixed(2)} x (${median(using).toFixed(0)} µs to ${median(without).toFixed(0)} µs)`,
    isMet: ratio <= mostAdded,
    numbers: { ratio, withRedisMicroseconds: using, aloneMicroseconds: without },
  }
}
