// What a pull of a cached tag waits for while the Hub is in trouble: the time-out when it hangs, nothing once its circuit is open.
import { setTimeout as sleep } from 'node:timers/promises'
import { type BenchHub, startBenchHub } from './hub.ts'
import type { BenchOptions, Measurement } from './measurement.ts'
import { RawClient } from './raw-client.ts'
import { workFolder } from './server-process.ts'
import { startMirror } from './servers.ts'

const bench = 'stale'
const clients = 100
const repository = 'library/stale'
/** As configured when nothing is: proxy.tags.revalidatetimeout. */
const revalidateTimeoutMs = 2_000
const hangGoalMs = revalidateTimeoutMs + 100
const openGoalMs = 20
/** Failures in a row that open a circuit, and some. */
const failures = 8
/** Longer than a circuit stays open. */
const recoveryMs = 6_000

export async function stale({ isQuick, tell }: BenchOptions): Promise<Measurement[]> {
  const rounds = isQuick ? 2 : 4
  await using folder = await workFolder()
  await using hub = await startBenchHub()
  const tagsOf = (round: number) => Array.from({ length: clients }, (_, n) => `tag-${round}-${n}`)
  for (let round = 0; round < rounds; round += 1) await hub.call('addImage', repository, `${bench} ${round}`, tagsOf(round))
  await using mirror = await startMirror(folder.path, hub.url)
  using connections = new Connections(mirror.port)
  for (let round = 0; round < rounds; round += 1) await connections.pull(tagsOf(round), undefined)

  tell(`${clients} pulls at one time of as many tags while the Hub hangs`)
  await hub.call('trouble', 'hang')
  const hanging: number[] = []
  for (let round = 0; round < rounds; round += 1) hanging.push(...(await connections.pull(tagsOf(round), 'stale')))

  tell('the same while the circuit is open')
  await openCircuit(hub, connections, tagsOf(0))
  const open: number[] = []
  // Code that runs for the first time is slower, and no server stays new for long.
  for (let round = 0; round < 2 * rounds; round += 1) await connections.pull(tagsOf(round % rounds), 'stale')
  for (let round = 0; round < 10 * rounds; round += 1) open.push(...(await connections.pull(tagsOf(round % rounds), 'stale')))

  return [
    measurement('hangs', hanging, hangGoalMs, 'revalidatetimeout + 100 ms'),
    measurement('fails and its circuit is open', open, openGoalMs, `${openGoalMs} ms`),
  ]
}

/** Waits until the questions that hang are over, and fails until nobody asks any more. */
async function openCircuit(hub: BenchHub, connections: Connections, tags: readonly string[]): Promise<void> {
  await hub.call('trouble', 'fail')
  await sleep(15_000 + recoveryMs)
  for (const tag of tags.slice(0, failures)) await connections.pull([tag], 'stale')
}

function measurement(what: string, times: readonly number[], goalMs: number, goal: string): Measurement {
  const sorted = times.toSorted((a, b) => a - b)
  const at = (share: number) => sorted[Math.ceil(share * sorted.length) - 1] ?? Number.NaN
  const [medianMs, p99Ms] = [at(0.5), at(0.99)]
  return {
    bench,
    what: `${clients} pulls at one time of cached tags while the Hub ${what}: time to the last byte, p99`,
    goal: `below ${goal}`,
    measured: `${p99Ms.toFixed(1)} ms (median ${medianMs.toFixed(1)} ms)`,
    isMet: p99Ms < goalMs,
    numbers: { p99Ms, medianMs, pulls: sorted.length },
  }
}

/** One keep-alive connection for each client: connecting is not what is measured. */
class Connections implements Disposable {
  readonly #clients: readonly RawClient[]

  constructor(port: number) {
    this.#clients = Array.from({ length: clients }, () => new RawClient(port))
  }

  /** Milliseconds of each pull, all at one time. Throws for an answer that is not of this verdict. */
  async pull(tags: readonly string[], verdict: string | undefined): Promise<number[]> {
    return Promise.all(
      tags.map(async (tag, n) => {
        const client = this.#clients[n % clients]
        if (client === undefined) throw new Error('there are clients')
        const { status, headers, lastByteMs } = await client.get(`/v2/${repository}/manifests/${tag}`)
        const got = headers.get('x-cache')
        if (status !== 200 || (verdict !== undefined && got !== verdict)) throw new Error(`${tag} was answered ${status}, ${got}`)
        return lastByteMs
      }),
    )
  }

  [Symbol.dispose](): void {
    for (const client of this.#clients) client[Symbol.dispose]()
  }
}
