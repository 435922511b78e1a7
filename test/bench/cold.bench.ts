// What a client that finds the cache cold notices of the mirror: nearly nothing. A late joiner is served at once from what has
// come so far, and a download alone takes about as long as straight from the Hub's CDN.
import { setTimeout as sleep } from 'node:timers/promises'
import { type BenchHub, startBenchHub } from './hub.ts'
import { type BenchOptions, type Measurement, median, medianRatio, mebibyte } from './measurement.ts'
import { RawClient } from './raw-client.ts'
import { workFolder } from './server-process.ts'
import { startMirror } from './servers.ts'

const repository = 'library/cold'
const gigabitPerSecond = 125e6
const mostFirstByteMs = 50
const mostAddedPercent = 10

export async function cold(options: BenchOptions): Promise<Measurement[]> {
  await using folder = await workFolder()
  await using hub = await startBenchHub()
  await using mirror = await startMirror(folder.path, hub.url)
  return [...(await lateJoins(hub, mirror.port, options)), ...(await singleDownloads(hub, mirror.port, options))]
}

async function lateJoins(hub: BenchHub, port: number, { isQuick, tell }: BenchOptions): Promise<Measurement[]> {
  const joins = isQuick ? 10 : 30
  const seconds = isQuick ? 5 : 15
  const bytesPerSecond = 8 * mebibyte
  const size = seconds * bytesPerSecond
  const digest = await hub.call('addBlob', repository, 'late', size)
  await hub.call('limit', bytesPerSecond)
  const path = `/v2/${repository}/blobs/${digest}`
  tell(`${joins} clients join a fill of ${seconds} s, one after the other`)
  using first = new RawClient(port)
  using clients = new DisposableStack()
  const all = [first.get(path)]
  for (let join = 1; join <= joins; join += 1) {
    await sleep((seconds * 1000) / (joins + 1))
    all.push(clients.use(new RawClient(port)).get(path))
  }
  const [starter, ...late] = await Promise.all(all)
  for (const { length, status } of late)
    if (status !== 200 || length !== size) throw new Error(`a late client got ${length} bytes, status ${status}`)
  const notFilling = late.filter(({ headers }) => headers.get('x-cache') !== 'filling').length
  if (notFilling > 0) throw new Error(`${notFilling} clients came too late to be late`)
  const firstByteMs = late.map((answer) => answer.firstByteMs)
  const highest = Math.max(...firstByteMs)
  return [
    {
      bench: 'cold',
      what: `first byte of a late joiner, ${joins} joins along a fill at ${bytesPerSecond / mebibyte} MiB/s`,
      goal: `within ${mostFirstByteMs} ms`,
      measured: `median ${median(firstByteMs).toFixed(1)} ms, highest ${highest.toFixed(1)} ms`,
      isMet: highest <= mostFirstByteMs,
      numbers: { medianMs: median(firstByteMs), highestMs: highest, starterMs: starter?.firstByteMs ?? Number.NaN },
    },
  ]
}

async function singleDownloads(hub: BenchHub, port: number, { isQuick, tell }: BenchOptions): Promise<Measurement[]> {
  const size = (isQuick ? 64 : 256) * mebibyte
  const pairs = isQuick ? 3 : 7
  await hub.call('limit', gigabitPerSecond)
  const direct: number[] = []
  const mirrored: number[] = []
  tell(`${pairs} pairs of cold downloads of ${size / mebibyte} MiB at 1 Gbit/s`)
  // The first download of each kind pays for connections, tokens and compiled code, which is not what is asked here.
  for (let pair = 0; pair <= pairs; pair += 1) {
    const digest = await hub.call('addBlob', repository, `single ${pair}`, size)
    const both = [
      async () => direct.push(await download(await hub.call('signedUrl', repository, digest), size)),
      async () => mirrored.push(await download(`http://127.0.0.1:${port}/v2/${repository}/blobs/${digest}`, size)),
    ]
    for (const measure of pair % 2 === 0 ? both : both.toReversed()) await measure()
    if (pair === 0) direct.length = mirrored.length = 0
  }
  const ratio = medianRatio(mirrored, direct)
  const added = (ratio - 1) * 100
  return [
    {
      bench: 'cold',
      what: `one cold download of ${size / mebibyte} MiB from an upstream of 1 Gbit/s, against the CDN itself`,
      goal: `less than ${mostAddedPercent} % more time`,
      measured: `${added.toFixed(1)} % more (${median(direct).toFixed(0)} ms direct, ${median(mirrored).toFixed(0)} ms through the mirror)`,
      isMet: added < mostAddedPercent,
      numbers: { ratio, directMs: direct, mirroredMs: mirrored },
    },
  ]
}

/** Milliseconds; straight means the CDN's answer alone, without the token and redirect that lead to it. */
async function download(url: string, size: number): Promise<number> {
  const { port, pathname, search } = new URL(url)
  using client = new RawClient(Number(port))
  const answer = await client.get(pathname + search)
  if (answer.status !== 200 || answer.length !== size) throw new Error(`${url} was answered ${answer.status} with ${answer.length} bytes`)
  return answer.lastByteMs
}
