// What it costs to be observed: metrics, access log and usage index together, on and off in one run, on the same files.
import { manifestRate, pull } from './cached.bench.ts'
import { startBenchHub } from './hub.ts'
import { type BenchOptions, type Measurement, median, medianRatio } from './measurement.ts'
import { type ServerProcess, workFolder } from './server-process.ts'
import { startMirror, startUnobservedMirror } from './servers.ts'

const bench = 'overhead'
const repository = 'library/cached'
const mostOverhead = 0.15

export async function overhead({ isQuick, tell }: BenchOptions): Promise<Measurement[]> {
  await using folder = await workFolder()
  await using hub = await startBenchHub()
  const prometheus = { enabled: true }
  await using on = await startMirror(folder.path, hub.url, {
    http: { addr: '127.0.0.1:0', secret: 'bench', debug: { addr: '127.0.0.1:0', prometheus } },
  })
  const { index } = await hub.call('addImage', repository, bench, ['latest'])
  await pull(on.port, `/v2/${repository}/manifests/${index}`, index)
  await using off = await startUnobservedMirror(folder.path, hub.url)
  await pull(off.port, `/v2/${repository}/manifests/${index}`, index)
  return await compare({ on, off }, index, { isQuick, tell })
}

async function compare(
  { on, off }: { readonly on: ServerProcess; readonly off: ServerProcess },
  digest: string,
  { isQuick, tell }: BenchOptions,
): Promise<Measurement[]> {
  const [seconds, rounds] = isQuick ? [2, 4] : [4, 10]
  tell(`${rounds} rounds of ${seconds} s of wrk on a cached manifest`)
  for (const server of [on, off]) await manifestRate(server, digest, 2)
  const rates = { on: [] as number[], off: [] as number[] }
  const costs = { on: [] as number[], off: [] as number[] }
  for (let round = 0; round < rounds; round += 1) {
    for (const which of round % 2 === 0 ? (['on', 'off'] as const) : (['off', 'on'] as const)) {
      const { perSecond, microseconds } = await manifestRate(which === 'on' ? on : off, digest, seconds)
      rates[which].push(perSecond)
      costs[which].push(microseconds)
    }
  }
  const lost = 1 - medianRatio(rates.on, rates.off)
  const more = medianRatio(costs.on, costs.off) - 1
  const what = 'metrics, access log and usage index together, cached manifest'
  return [
    {
      bench,
      what: `${what}: requests per second lost`,
      goal: `at most ${mostOverhead * 100} %`,
      measured: `${(lost * 100).toFixed(1)} % (${median(rates.on).toFixed(0)}/s on, ${median(rates.off).toFixed(0)}/s off)`,
      isMet: lost <= mostOverhead,
      numbers: { lost, onPerSecond: rates.on, offPerSecond: rates.off },
    },
    {
      bench,
      what: `${what}: processor time of one request`,
      measured: `${(more * 100).toFixed(1)} % more (${median(costs.on).toFixed(1)} µs to ${median(costs.off).toFixed(1)} µs)`,
      numbers: { more, onMicroseconds: costs.on, offMicroseconds: costs.off },
    },
  ]
}
