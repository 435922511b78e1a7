// A cache of 1,000,000 blobs, as its usage index has them (one of them is a file; the others are rows, because no answer and no
// decision looks at the others' files): start to first answer, memory, and what it takes to decide what goes.
import { DatabaseSync } from 'node:sqlite'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { LocalLeases } from '../../src/cluster/local-leases.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { Eviction } from '../../src/mirror/eviction.ts'
import { SqliteUsage } from '../../src/mirror/usage-sqlite.ts'
import { usageIndexPath } from '../../src/store/layout.ts'
import { silentLog } from '../../src/telemetry/log.ts'
import { pull } from './cached.bench.ts'
import { startBenchHub } from './hub.ts'
import { type BenchOptions, type Measurement, median } from './measurement.ts'
import { residentMegabytesOf } from './process-use.ts'
import { workFolder } from './server-process.ts'
import { startMirror } from './servers.ts'

const bench = 'million'
const repository = 'library/cached'
/** Blobs of one image: nine of its own, and one that all images of its repository share. */
const blobsPerImage = 10
const imagesPerRepository = 1000
const blobBytes = 1000
/** Eviction goes from the high mark to the low one: a tenth. */
const decidedShare = 0.1
const mostStartMs = 2000
const mostGrowthMegabytes = 150
const mostDecisionMs = 1000

export async function million({ isQuick, tell }: BenchOptions): Promise<Measurement[]> {
  await using folder = await workFolder()
  await using hub = await startBenchHub()
  const { index } = await hub.call('addImage', repository, bench, ['latest'])
  const images = isQuick ? 10_000 : 111_000
  const rounds = isQuick ? 3 : 5
  const started = () => startAndAsk(folder.path, hub.url, index)
  // Once unmeasured: it pulls the image and makes the index.
  await started()
  const empty = await repeated(rounds, started)
  const blobs = fill(join(folder.path, 'data', usageIndexPath), images)
  tell(`the index has ${blobs} blobs of ${images} images`)
  const full = await repeated(rounds, started)
  const decision = await decide(join(folder.path, 'data', usageIndexPath))
  const growth = median(full.map(({ megabytes }) => megabytes)) - median(empty.map(({ megabytes }) => megabytes))
  const startMs = median(full.map(({ ms }) => ms))
  const what = `${(blobs / 1e6).toFixed(2)} million blobs (rows)`
  return [
    {
      bench,
      what: `${what}: start to first answer`,
      goal: `below ${mostStartMs} ms`,
      measured: `${startMs.toFixed(0)} ms (${median(empty.map(({ ms }) => ms)).toFixed(0)} ms with an empty cache)`,
      isMet: startMs < mostStartMs,
      numbers: { full: full.map(({ ms }) => ms), empty: empty.map(({ ms }) => ms) },
    },
    {
      bench,
      what: `${what}: memory of the server after some use, and of one decision, more than with an empty cache`,
      goal: `below ${mostGrowthMegabytes} MB`,
      measured: `${growth.toFixed(0)} MB and ${decision.megabytes.toFixed(0)} MB`,
      isMet: growth + decision.megabytes < mostGrowthMegabytes,
      numbers: { growth, decision: decision.megabytes },
    },
    {
      bench,
      what: `${what}: deciding which tenth of the bytes goes`,
      goal: `below ${mostDecisionMs} ms`,
      measured: `${decision.ms.toFixed(0)} ms, ${decision.cpuMs.toFixed(0)} ms of processor time (${decision.roots} images and ${decision.blobs} blobs; the first one after ${decision.firstMs.toFixed(1)} ms; nothing else waited longer than ${decision.pauseMs.toFixed(0)} ms)`,
      isMet: decision.ms < mostDecisionMs,
      numbers: { ...decision },
    },
  ]
}

interface Start {
  readonly ms: number
  readonly megabytes: number
}

async function repeated(times: number, work: () => Promise<Start>): Promise<Start[]> {
  const results: Start[] = []
  for (let round = 0; round < times; round += 1) results.push(await work())
  return results
}

async function startAndAsk(folder: string, upstream: string, digest: string): Promise<Start> {
  const startedAt = performance.now()
  const prometheus = { enabled: true }
  const debugged = { http: { addr: '127.0.0.1:0', secret: 'bench', debug: { addr: '127.0.0.1:0', prometheus } } }
  await using server = await startMirror(folder, upstream, {
    ...debugged,
    proxy: { remoteurl: upstream, libraryprefix: true, maxsize: '1TB' },
  })
  await pull(server.port, `/v2/${repository}/manifests/${digest}`, digest)
  const ms = performance.now() - startedAt
  for (let at = 0; at < 200; at += 1) await pull(server.port, `/v2/${repository}/manifests/latest`, digest)
  return { ms, megabytes: await residentMegabytesOf(server.pid) }
}

/** Writes rows beside those that are there. Answers how many blobs the index has then. */
function fill(file: string, images: number): number {
  using database = new DatabaseSync(file)
  const repositories = Math.ceil(images / imagesPerRepository)
  const own = blobsPerImage - 1
  const digest = (number: string) => `'sha256:' || printf('%064x', ${number} * 2654435761)`
  const numbers = (count: number) => `WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ${count})`
  // Identities: bases of repositories from 1 million on, manifests from 2 million, blobs from 4 million.
  const repositoryOf = (image: string) => `1000 + ${image} / ${imagesPerRepository}`
  const entry = 'INSERT INTO entries(id, content, repository, is_manifest, is_root, used_at, seen)'
  const needs = 'INSERT INTO needs(parent, content, repository)'
  // Uses are in no order of the identities, as in life.
  const usedAt = (image: string) => `1700000000000 + (${image} * 7919) % 1000003 * 1000`
  database.exec(`PRAGMA synchronous = OFF; BEGIN;
    ${numbers(repositories)} INSERT INTO repositories(id, name) SELECT 1000 + i, 'library/many-' || i FROM n;
    ${numbers(repositories)} INSERT INTO contents(id, digest, size) SELECT 1000000 + i, ${digest('(1000000 + i)')}, ${blobBytes} FROM n;
    ${numbers(images)} INSERT INTO contents(id, digest, size) SELECT 2000000 + i, ${digest('(2000000 + i)')}, ${blobBytes} FROM n;
    ${numbers(images * own)} INSERT INTO contents(id, digest, size) SELECT 4000000 + i, ${digest('(4000000 + i)')}, ${blobBytes} FROM n;
    ${numbers(repositories)} ${entry} SELECT 1000000 + i, 1000000 + i, 1000 + i, 0, 0, 1, 1 FROM n;
    ${numbers(images)} ${entry} SELECT 2000000 + i, 2000000 + i, ${repositoryOf('i')}, 1, 1, ${usedAt('i')}, 1 FROM n;
    ${numbers(images * own)} ${entry} SELECT 4000000 + i, 4000000 + i, ${repositoryOf(`(i / ${own})`)}, 0, 0, 1, 1 FROM n;
    ${numbers(images)} ${needs} SELECT 2000000 + i, 1000000 + i / ${imagesPerRepository}, ${repositoryOf('i')} FROM n;
    ${numbers(images * own)} ${needs} SELECT 2000000 + i / ${own}, 4000000 + i, ${repositoryOf(`(i / ${own})`)} FROM n;
    ${numbers(images)} INSERT INTO tags(repository, name, content, used_at) SELECT ${repositoryOf('i')}, 'tag-' || i, 2000000 + i, 1 FROM n;
    COMMIT; PRAGMA wal_checkpoint(TRUNCATE)`)
  return (database.prepare("SELECT value FROM meta WHERE name = 'blobs'").get() as { value: number }).value
}

async function decide(file: string) {
  await using index = await SqliteUsage.open(file, silentLog)
  const { bytes } = await index.totals()
  await using eviction = new Eviction({
    usage: { index: async () => index, flush: async () => undefined, settled: async () => undefined, isReady: true },
    store: { openEviction: () => Promise.reject(new Error('nothing is evicted here')) },
    disk: async () => undefined,
    policy: { maxSize: { bytes }, minFree: undefined, ttlMs: 0, pins: [] },
    isOwn: undefined,
    facts: { evicted: () => undefined },
    leases: new LocalLeases(),
    tell: () => undefined,
    clock: systemClock,
    log: silentLog,
  })
  const before = process.memoryUsage.rss()
  const delay = monitorEventLoopDelay({ resolution: 5 })
  delay.enable()
  const [startedAt, cpu] = [performance.now(), process.cpuUsage()]
  let [roots, blobs, firstMs] = [0, 0, 0]
  for await (const { removal } of eviction.plan(bytes * decidedShare)) {
    if (roots === 0) firstMs = performance.now() - startedAt
    roots += 1
    blobs += removal.blobs.length
  }
  const ms = performance.now() - startedAt
  const { user, system } = process.cpuUsage(cpu)
  delay.disable()
  const megabytes = Math.max(0, process.memoryUsage.rss() - before) / 1e6
  return { ms, cpuMs: (user + system) / 1000, firstMs, roots, blobs, pauseMs: delay.max / 1e6, megabytes }
}
