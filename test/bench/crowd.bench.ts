// 200 clients ask for one cold blob of 1 GB at the same moment, and upstream breaks three times meanwhile.
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { type BlobSource, bigBlob } from '../support/images.ts'
import type { CrowdOrder, CrowdReport } from './crowd-process.ts'
import { startBenchHub } from './hub.ts'
import { type BenchOptions, type Measurement, median, mebibyte } from './measurement.ts'
import { watchMemory } from './process-use.ts'
import { workFolder } from './server-process.ts'
import { startMirror } from './servers.ts'

const bench = 'crowd'
const repository = 'library/crowd'
const processes = 2
/** Of all clients together. */
const hashingClients = 10
const timeoutMs = 20 * 60_000
const mostUpstream = 1.01
const mostMegabytes = 200

export async function crowd({ isQuick, tell }: BenchOptions): Promise<Measurement[]> {
  const [clients, size] = isQuick ? [50, 256 * mebibyte] : [200, 1024 * mebibyte]
  await using folder = await workFolder()
  await using hub = await startBenchHub()
  const blob = await bigBlob({ seed: bench, size })
  await hub.call('addBlob', repository, bench, size)
  await hub.call('cut', [size / 4, size / 4, size / 4])
  await using mirror = await startMirror(folder.path, hub.url)
  const memory = watchMemory(mirror.pid)
  tell(`${clients} clients on ${size / mebibyte} MiB: about ${Math.ceil((clients * size) / 1.2e9)} s`)
  const startedAt = performance.now()
  const order = { port: mirror.port, path: `/v2/${repository}/blobs/${blob.digest}` }
  const reports = await Promise.all(Array.from({ length: processes }, (_, index) => sendCrowd(order, share(clients, index))))
  const seconds = (performance.now() - startedAt) / 1000
  const { highestMegabytes, samples } = await memory.stop()
  const counts = await hub.call('takeCounts')
  const cutsLeft = await hub.call('unusedCuts')
  if (cutsLeft > 0) throw new Error(`${cutsLeft} of 3 cuts did not come to pass`)

  const right = await countRight(reports, blob)
  const failures = reports.flatMap((report) => report.failures)
  for (const failure of new Set(failures)) tell(`a client failed: ${failure}`)
  const upstream = counts.blobBytes / size
  const rate = (clients * size) / mebibyte / seconds
  const firstByteMs = reports.flatMap((report) => report.firstByteMs)
  const what = `${clients} clients, one cold blob of ${size / mebibyte} MiB, cut 3 times`
  return [
    {
      bench,
      what: `${what}: bytes from upstream`,
      goal: `at most ${mostUpstream} x the blob`,
      measured: `${upstream.toFixed(4)} x in ${counts.blobTransfers} transfers`,
      isMet: upstream <= mostUpstream,
      numbers: { ratio: upstream, transfers: counts.blobTransfers },
    },
    {
      bench,
      what: `${what}: right content`,
      goal: 'all',
      measured: `${right.hashed} by sha256, ${right.summed} by length and CRC-32`,
      isMet: right.hashed + right.summed === clients,
      numbers: { clients, ...right, failures: failures.length },
    },
    {
      bench,
      what: `${what}: resident memory, highest`,
      goal: `below ${mostMegabytes} MB`,
      measured: `${highestMegabytes.toFixed(0)} MB (median ${median(samples).toFixed(0)})`,
      isMet: highestMegabytes < mostMegabytes,
      numbers: { highestMegabytes, medianMegabytes: median(samples) },
    },
    {
      bench,
      what: `${what}: pace`,
      measured: `${seconds.toFixed(1)} s, ${rate.toFixed(0)} MiB/s together, first byte ${median(firstByteMs).toFixed(0)} ms`,
      numbers: { seconds, mebibytesPerSecond: rate, firstByteMs: median(firstByteMs) },
    },
  ]
}

function share(clients: number, index: number): Pick<CrowdOrder, 'clients' | 'hashing'> {
  const of = (total: number) => Math.floor(total / processes) + (index < total % processes ? 1 : 0)
  return { clients: of(clients), hashing: of(hashingClients) }
}

async function sendCrowd(target: Pick<CrowdOrder, 'port' | 'path'>, part: Pick<CrowdOrder, 'clients' | 'hashing'>): Promise<CrowdReport> {
  const child: ChildProcess = fork(join(import.meta.dirname, 'crowd-process.ts'), { serialization: 'advanced' })
  try {
    child.send({ ...target, ...part } satisfies CrowdOrder)
    const [report] = (await once(child, 'message', { signal: AbortSignal.timeout(timeoutMs) })) as [CrowdReport]
    return report
  } finally {
    child.disconnect()
  }
}

/** How many clients got the blob as it is, by the two ways of telling. */
async function countRight(reports: readonly CrowdReport[], blob: BlobSource): Promise<{ hashed: number; summed: number }> {
  let expected = 0
  for await (const chunk of blob.read(0, blob.size)) expected = crc32(chunk, expected)
  const count = (values: readonly boolean[]) => values.filter(Boolean).length
  if (reports.some(({ lengths }) => lengths.some((length) => length !== blob.size))) return { hashed: 0, summed: 0 }
  return {
    hashed: count(reports.flatMap(({ digests }) => digests.map((digest) => digest === blob.digest))),
    summed: count(reports.flatMap(({ checksums }) => checksums.map((checksum) => checksum === expected))),
  }
}
