// A bucket (Ceph's radosgw on this machine), with Debian's docker-registry on the very same one: answers that send a client to the
// storage, what signing such an address costs, and blobs that go through the registry because clients can't reach the storage.
import { createHash, randomBytes } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { S3Signer } from '../../src/store/drivers/s3-signer.ts'
import { ensurePackages } from '../support/packages.ts'
import { radosgwPackages, startRadosgw } from '../support/servers/radosgw.ts'
import { type BlobRate, blobRate, requestRate } from './cached.bench.ts'
import { startDrains } from './drain.ts'
import { type Bench, type BenchOptions, type Measurement, median, medianRatio, mebibyte } from './measurement.ts'
import { type ServerProcess, workFolder } from './server-process.ts'
import { startDockerRegistry, startOwnRegistry } from './servers.ts'

const bench = 's3'
const repository = 'bench/s3'
const mostMicroseconds = 50

export const s3: Bench = async (options) => {
  const problem = await ensurePackages([...radosgwPackages])
  if (problem !== undefined) throw new Error(problem)
  await using folder = await workFolder()
  await using storage = await startRadosgw()
  const parameters = storage.parametersOf(await storage.newBucket())
  const size = (options.isQuick ? 32 : 128) * mebibyte
  const pair = async (name: string, disable: boolean) => {
    await using building = new AsyncDisposableStack()
    const place = join(folder.path, name)
    await mkdir(place)
    const more = { storage: { s3: parameters, redirect: { disable }, cache: { blobdescriptor: 'inmemory' } } }
    const ours = building.use(await startOwnRegistry(place, more))
    const theirs = building.use(await startDockerRegistry(place, more))
    const running = building.move()
    return { ours, theirs, [Symbol.asyncDispose]: () => running.disposeAsync() }
  }
  const measurements = [presigning(options)]
  await using redirecting = await pair('redirecting', false)
  const path = await push(redirecting.ours, size)
  measurements.push(await redirects(redirecting, path, options))
  await using through = await pair('through', true)
  for (const clients of [1, 4]) measurements.push(...(await blobs(through, path, { size, clients }, options)))
  return measurements
}

interface Contestants {
  readonly ours: ServerProcess
  readonly theirs: ServerProcess
}

/** Measures both in each round, in turns of changing order, after one round for the compiler. */
async function alternate<T>(servers: Contestants, rounds: number, measure: (server: ServerProcess) => Promise<T>) {
  const results = { ours: [] as T[], theirs: [] as T[] }
  for (let round = -1; round < rounds; round += 1) {
    for (const name of round % 2 === 0 ? (['ours', 'theirs'] as const) : (['theirs', 'ours'] as const)) {
      const result = await measure(servers[name])
      if (round >= 0) results[name].push(result)
    }
  }
  return results
}

function presigning({ isQuick, tell }: BenchOptions): Measurement {
  const count = isQuick ? 20_000 : 100_000
  tell(`${count} addresses signed`)
  const signer = new S3Signer('us-east-1')
  const keys = { accessKeyId: 'test', secretAccessKey: 'testing' }
  const microseconds: number[] = []
  for (let round = -1; round < 5; round += 1) {
    const began = performance.now()
    for (let index = 0; index < count; index += 1) {
      signer.query(
        { method: 'GET', host: '127.0.0.1:9000', path: `/bucket/docker/registry/v2/blobs/sha256/ab/${index}/data` },
        keys,
        Date.now(),
        1200,
      )
    }
    if (round >= 0) microseconds.push(((performance.now() - began) / count) * 1000)
  }
  const value = median(microseconds)
  return {
    bench,
    what: 'signing the address of a blob',
    goal: `below ${mostMicroseconds} µs`,
    measured: `${value.toFixed(1)} µs`,
    isMet: value < mostMicroseconds,
    numbers: { microseconds },
  }
}

async function redirects(servers: Contestants, path: string, { isQuick, tell }: BenchOptions): Promise<Measurement> {
  const [rounds, seconds] = isQuick ? [2, 2] : [5, 4]
  tell(`${rounds} rounds of ${seconds} s of wrk on a blob that lies in the bucket`)
  const rates = await alternate(servers, rounds, (server) => requestRate(server, path, seconds))
  const ours = rates.ours.map(({ perSecond }) => perSecond)
  const theirs = rates.theirs.map(({ perSecond }) => perSecond)
  const ratio = medianRatio(ours, theirs)
  return {
    bench,
    what: 'clients sent to the storage, wrk with 32 connections: against docker-registry',
    goal: 'at least 3 x',
    measured: `${ratio.toFixed(1)} x (${median(ours).toFixed(0)}/s to ${median(theirs).toFixed(0)}/s)`,
    isMet: ratio >= 3,
    numbers: { ratio, ourPerSecond: ours, theirPerSecond: theirs },
  }
}

async function blobs(
  servers: Contestants,
  path: string,
  load: { readonly size: number; readonly clients: number },
  { isQuick, tell }: BenchOptions,
) {
  const rounds = isQuick ? 3 : 7
  tell(`${rounds} rounds of ${load.clients} client(s) on ${load.size / mebibyte} MiB through the registry`)
  await using drains = await startDrains()
  const rates = await alternate(servers, rounds, (server) => blobRate(drains, server, path, load))
  const pace = (each: readonly BlobRate[]) => each.map(({ mebibytesPerSecond }) => mebibytesPerSecond)
  const cost = (each: readonly BlobRate[]) => each.map(({ secondsPerGibibyte }) => secondsPerGibibyte)
  const [ours, theirs, ourCost, theirCost] = [pace(rates.ours), pace(rates.theirs), cost(rates.ours), cost(rates.theirs)]
  const [ratio, costRatio] = [medianRatio(ours, theirs), medianRatio(theirCost, ourCost)]
  const what = `a blob from the bucket through the registry, ${load.clients === 1 ? 'one client' : `${load.clients} clients`}`
  const measurements: Measurement[] = [
    {
      bench,
      what: `${what}: against docker-registry`,
      goal: 'at least 1 x its MB/s',
      measured: `${ratio.toFixed(2)} x (${median(ours).toFixed(0)} MiB/s to ${median(theirs).toFixed(0)} MiB/s)`,
      isMet: ratio >= 1,
      numbers: { ratio, ourMebibytesPerSecond: ours, theirMebibytesPerSecond: theirs },
    },
    {
      bench,
      what: `${what}: processor time of a GiB`,
      measured: `${costRatio.toFixed(1)} times less (${median(ourCost).toFixed(2)} s to ${median(theirCost).toFixed(2)} s)`,
      numbers: { ratio: costRatio, ourSeconds: ourCost, theirSeconds: theirCost },
    },
  ]
  return measurements
}

/** The path of a new blob. */
async function push({ port }: ServerProcess, size: number): Promise<string> {
  const bytes = randomBytes(size)
  const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`
  const begun = await fetch(`http://127.0.0.1:${port}/v2/${repository}/blobs/uploads/`, { method: 'POST' })
  const address = new URL(begun.headers.get('location') ?? '')
  address.searchParams.set('digest', digest)
  const { status } = await fetch(address, { method: 'PUT', body: bytes })
  if (status !== 201) throw new Error(`the push was answered ${status}`)
  return `/v2/${repository}/blobs/${digest}`
}
