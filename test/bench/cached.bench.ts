// What is in the cache, against Debian's docker-registry on the very same files: bytes per second of a large blob, requests per
// second of a manifest. Every server logs each request to a file, as it does when installed.
import { createHash } from 'node:crypto'
import { runProgram } from '../support/servers/program.ts'
import { type Drains, startDrains } from './drain.ts'
import { startBenchHub } from './hub.ts'
import { type BenchOptions, type Measurement, median, medianRatio, mebibyte } from './measurement.ts'
import { RawClient } from './raw-client.ts'
import { processorSecondsOf } from './process-use.ts'
import { type ServerProcess, workFolder } from './server-process.ts'
import { startDockerRegistry, startMirror, startNginx } from './servers.ts'

const bench = 'cached'
const repository = 'library/cached'
const leastBlobRatio = 1.3
const leastManifestRatio = 20
const ociIndexType = 'application/vnd.oci.image.index.v1+json'

interface Contestants {
  readonly mirror: ServerProcess
  readonly registry: ServerProcess
  readonly nginx: ServerProcess
}

export async function cached(options: BenchOptions): Promise<Measurement[]> {
  await using folder = await workFolder()
  await using hub = await startBenchHub()
  await using mirror = await startMirror(folder.path, hub.url)
  const size = (options.isQuick ? 256 : 512) * mebibyte
  const digest = await hub.call('addBlob', repository, bench, size)
  const { index } = await hub.call('addImage', repository, bench, ['latest'])
  const blobPath = `/v2/${repository}/blobs/${digest}`
  await pull(mirror.port, blobPath, digest)
  await pull(mirror.port, `/v2/${repository}/manifests/latest`, index)

  await using registry = await startDockerRegistry(folder.path)
  await using nginx = await startNginx(folder.path)
  const servers = { mirror, registry, nginx }
  await pull(registry.port, blobPath, digest)
  return [
    ...(await blobs(servers, { digest, size, clients: 1 }, options)),
    ...(await blobs(servers, { digest, size, clients: 8 }, options)),
    ...(await manifests(servers, index, options)),
  ]
}

/** Asks until the store has it, so that the first measured request is as good as any. */
export async function pull(port: number, path: string, digest: string): Promise<void> {
  using client = new RawClient(port)
  for (let attempt = 0; attempt < 50; attempt += 1) {
    const hash = createHash('sha256')
    const answer = await client.get(path, (bytes) => hash.update(bytes), [`Accept: ${ociIndexType}`])
    const actual = `sha256:${hash.digest('hex')}`
    if (actual !== digest) throw new Error(`${path} was answered ${answer.status} with ${actual}`)
    const verdict = answer.headers.get('x-cache') ?? 'hit'
    if (verdict === 'hit' || verdict === 'revalidated') return
  }
  throw new Error(`${path} does not become a hit`)
}

interface BlobLoad {
  readonly digest: string
  readonly size: number
  readonly clients: number
}

async function blobs(servers: Contestants, load: BlobLoad, { isQuick, tell }: BenchOptions): Promise<Measurement[]> {
  const { digest, size, clients } = load
  const rounds = isQuick ? 3 : 9
  const path = `/v2/${repository}/blobs/${digest}`
  const hex = digest.slice('sha256:'.length)
  const file = `/docker/registry/v2/blobs/sha256/${hex.slice(0, 2)}/${hex}/data`
  tell(`${rounds} rounds of ${clients} client(s) on ${size / mebibyte} MiB in the cache`)
  await using drains = await startDrains()
  const results = { mirror: [] as BlobRate[], registry: [] as BlobRate[], nginx: [] as BlobRate[] }
  for (let round = 0; round < rounds; round += 1) {
    const names = ['mirror', 'registry', 'nginx'] as const
    for (const name of round % 2 === 0 ? names : names.toReversed()) {
      results[name].push(await blobRate(drains, servers[name], name === 'nginx' ? file : path, load))
    }
  }
  const [mirror, registry, nginx] = [paceOf(results.mirror), paceOf(results.registry), paceOf(results.nginx)]
  const [ourCost, theirCost] = [costOf(results.mirror), costOf(results.registry)]
  const [ratio, ofNginx, costRatio] = [medianRatio(mirror, registry), medianRatio(mirror, nginx), medianRatio(theirCost, ourCost)]
  const what = `a cached blob, ${clients === 1 ? 'one client' : `${clients} clients`}`
  const pace = (values: readonly number[]) => `${median(values).toFixed(0)} MiB/s`
  return [
    {
      bench,
      what: `${what}: against docker-registry`,
      goal: `at least ${leastBlobRatio} x its MB/s`,
      measured: `${ratio.toFixed(2)} x (${pace(mirror)} to ${pace(registry)})`,
      isMet: ratio >= leastBlobRatio,
      numbers: { ratio, mirrorMebibytesPerSecond: mirror, registryMebibytesPerSecond: registry },
    },
    {
      bench,
      what: `${what}: processor time of a GiB, against docker-registry`,
      measured: `${costRatio.toFixed(1)} times less (${median(ourCost).toFixed(2)} s to ${median(theirCost).toFixed(2)} s)`,
      numbers: { ratio: costRatio, mirrorSeconds: ourCost, registrySeconds: theirCost },
    },
    {
      bench,
      what: `${what}: against nginx with sendfile, one worker`,
      measured: `${ofNginx.toFixed(2)} x (${pace(nginx)})`,
      numbers: { ratio: ofNginx, nginxMebibytesPerSecond: nginx },
    },
  ]
}

export interface BlobRate {
  /** Of all clients together. */
  readonly mebibytesPerSecond: number
  /** Processor time of the server. */
  readonly secondsPerGibibyte: number
}

const paceOf = (rates: readonly BlobRate[]) => rates.map(({ mebibytesPerSecond }) => mebibytesPerSecond)
const costOf = (rates: readonly BlobRate[]) => rates.map(({ secondsPerGibibyte }) => secondsPerGibibyte)

export async function blobRate(
  drains: Drains,
  { pid, port }: ServerProcess,
  path: string,
  { size, clients }: Omit<BlobLoad, 'digest'>,
): Promise<BlobRate> {
  const turns = clients === 1 ? 4 : 1
  const before = await processorSecondsOf(pid)
  const seconds = await drains.secondsFor({ port, path, clients, turns, size })
  const mebibytes = (clients * turns * size) / mebibyte
  const used = (await processorSecondsOf(pid)) - before
  return { mebibytesPerSecond: mebibytes / seconds, secondsPerGibibyte: (used / mebibytes) * 1024 }
}

async function manifests(servers: Contestants, digest: string, { isQuick, tell }: BenchOptions): Promise<Measurement[]> {
  const seconds = isQuick ? 2 : 5
  const rounds = isQuick ? 2 : 5
  tell(`${rounds} rounds of ${seconds} s of wrk on a cached manifest`)
  const mirror: RequestRate[] = []
  const registry: RequestRate[] = []
  // Once unmeasured: code is compiled while it runs.
  for (const server of [servers.mirror, servers.registry]) await manifestRate(server, digest, 2)
  for (let round = 0; round < rounds; round += 1) {
    const both = [
      async () => mirror.push(await manifestRate(servers.mirror, digest, seconds)),
      async () => registry.push(await manifestRate(servers.registry, digest, seconds)),
    ]
    for (const measure of round % 2 === 0 ? both : both.toReversed()) await measure()
  }
  const [ours, theirs] = [mirror.map(({ perSecond }) => perSecond), registry.map(({ perSecond }) => perSecond)]
  const [ourCost, theirCost] = [mirror.map(({ microseconds }) => microseconds), registry.map(({ microseconds }) => microseconds)]
  const ratio = medianRatio(ours, theirs)
  const costRatio = medianRatio(theirCost, ourCost)
  const what = 'a cached manifest by digest, wrk with 32 connections'
  return [
    {
      bench,
      what: `${what}: requests per second`,
      goal: `at least ${leastManifestRatio} x docker-registry`,
      measured: `${ratio.toFixed(1)} x (${median(ours).toFixed(0)}/s to ${median(theirs).toFixed(0)}/s)`,
      isMet: ratio >= leastManifestRatio,
      numbers: { ratio, mirrorPerSecond: ours, registryPerSecond: theirs },
    },
    {
      bench,
      what: `${what}: processor time of one request`,
      measured: `${costRatio.toFixed(1)} times less (${median(ourCost).toFixed(0)} µs to ${median(theirCost).toFixed(0)} µs)`,
      numbers: { ratio: costRatio, mirrorMicroseconds: ourCost, registryMicroseconds: theirCost },
    },
  ]
}

export interface RequestRate {
  readonly perSecond: number
  /** Processor time of the server for one request. */
  readonly microseconds: number
}

export function manifestRate(server: ServerProcess, digest: string, seconds: number): Promise<RequestRate> {
  return requestRate(server, `/v2/${repository}/manifests/${digest}`, seconds)
}

export async function requestRate({ pid, port }: ServerProcess, path: string, seconds: number, connections = 32): Promise<RequestRate> {
  const before = await processorSecondsOf(pid)
  const { stdout } = await runProgram('wrk', [
    `-c${connections}`,
    '-t1',
    `-d${seconds}s`,
    '-H',
    `Accept: ${ociIndexType}`,
    `http://127.0.0.1:${port}${path}`,
  ])
  if (/Non-2xx|Socket errors/.test(stdout)) throw new Error(`wrk met errors:\n${stdout}`)
  const requests = Number(/(\d+) requests in/.exec(stdout)?.[1])
  const used = (await processorSecondsOf(pid)) - before
  return { perSecond: Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1]), microseconds: (used / requests) * 1e6 }
}
