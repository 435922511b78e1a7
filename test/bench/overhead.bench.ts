// What it costs to be observed: metrics, access log and usage index together, on and off in one run, on the same files.
import { manifestRate, pull } from './cached.bench.ts'
import { startBenchHub } from './hub.ts'
import { type BenchOptions, type Measurement, median, medianRatio } from './measurement.ts'
import { workFolder } from './server-process.ts'
import { startMirror, startUnobservedMirror } from './servers.ts'

const bench = 'overhead'
const repository = 'library/cached'
const mostOverhead = 0.15

export async function overhead({ isQuick, tell }: BenchOptions): Promise<Measurement[]> {
  await using folder = await workFolder()
  await using hub = await startBenchHub()
  const { index } = await hub.call('addImage', repository, bench, ['latest'])
  const [pairs, rounds, seconds] = isQuick ? [2, 2, 2] : [7, 3, 3]
  tell(`${pairs} pairs of new processes, ${rounds} rounds of ${seconds} s of wrk on a cached manifest with each`)
  const times: Times = { rates: { on: [], off: [] }, costs: { on: [], off: [] } }
  // New processes each time: two of the same kind differ by more than what is measured, and stay so for as long as they live.
  for (let pair = 0; pair < pairs; pair += 1) await compare({ folder: folder.path, hubUrl: hub.url, index, rounds, seconds }, times)
  return measurementsOf(times)
}

interface Pairing {
  readonly folder: string
  readonly hubUrl: string
  readonly index: string
  readonly rounds: number
  readonly seconds: number
}

type Both = Readonly<Record<'on' | 'off', number[]>>

interface Times {
  /** Requests per second. */
  readonly rates: Both
  /** Microseconds of processor time per request. */
  readonly costs: Both
}

async function compare({ folder, hubUrl, index, rounds, seconds }: Pairing, { rates, costs }: Times): Promise<void> {
  await using on = await startMirror(folder, hubUrl, {
    http: { addr: '127.0.0.1:0', secret: 'bench', debug: { addr: '127.0.0.1:0', prometheus: { enabled: true } } },
  })
  await pull(on.port, `/v2/${repository}/manifests/${index}`, index)
  await using off = await startUnobservedMirror(folder, hubUrl)
  await pull(off.port, `/v2/${repository}/manifests/${index}`, index)
  for (const server of [on, off]) await manifestRate(server, index, 2)
  for (let round = 0; round < rounds; round += 1) {
    for (const which of round % 2 === 0 ? (['on', 'off'] as const) : (['off', 'on'] as const)) {
      const { perSecond, microseconds } = await manifestRate(which === 'on' ? on : off, index, seconds)
      rates[which].push(perSecond)
      costs[which].push(microseconds)
    }
  }
}

function measurementsOf({ rates, costs }: Times): Measurement[] {
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
