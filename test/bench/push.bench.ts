// Pushes, against Debian's docker-registry: a blob of a gigabyte, and a thousand small ones as Docker sends them, five at once.
// Each server has a folder of its own on the same disk; their turns alternate.
import { createHash, randomBytes } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { type BenchOptions, type Measurement, median, medianRatio, mebibyte } from './measurement.ts'
import { processorSecondsOf, watchMemory } from './process-use.ts'
import { RawClient } from './raw-client.ts'
import { type ServerProcess, workFolder } from './server-process.ts'
import { startDockerRegistry, startOwnRegistry } from './servers.ts'

const bench = 'push'
const repository = 'bench/push'
const mostMegabytes = 200
/** Docker's max-concurrent-uploads. */
const uploadsAtOnce = 5
const smallBytes = 10_000
/** Docker copies its layers by so much, so each chunk of its body has this length. */
const dockerChunkBytes = 32 * 1024

interface Contestants {
  readonly ours: ServerProcess
  readonly theirs: ServerProcess
}

export async function push(options: BenchOptions): Promise<Measurement[]> {
  await using folder = await workFolder()
  const [ourFolder, theirFolder] = [join(folder.path, 'ours'), join(folder.path, 'theirs')]
  for (const each of [ourFolder, theirFolder]) await mkdir(each)
  await using ours = await startOwnRegistry(ourFolder)
  await using theirs = await startDockerRegistry(theirFolder)
  const memory = watchMemory(ours.pid)
  const servers = { ours, theirs }
  let highestMegabytes = 0
  const measurements: Measurement[] = []
  try {
    measurements.push(...(await smallBlobs(servers, options)), ...(await bigBlob(servers, options)))
  } finally {
    highestMegabytes = (await memory.stop()).highestMegabytes
  }
  return [
    ...measurements,
    {
      bench,
      what: 'resident memory, all of these together',
      goal: `below ${mostMegabytes} MB`,
      measured: `${highestMegabytes.toFixed(0)} MB at most`,
      isMet: highestMegabytes < mostMegabytes,
      numbers: { highestMegabytes },
    },
  ]
}

async function bigBlob(servers: Contestants, { isQuick, tell }: BenchOptions): Promise<Measurement[]> {
  const size = (isQuick ? 256 : 1024) * mebibyte
  const rounds = isQuick ? 3 : 5
  tell(`${rounds} rounds of a blob of ${size / mebibyte} MiB`)
  const runs = await alternate(servers, rounds, async ({ port }) => {
    using client = new RawClient(port)
    const blob = chunkedBlob(size)
    return await timed(() => pushBlob(client, blob))
  })
  return compare(`a blob of ${size / mebibyte} MiB, as Docker sends it`, runs, 1)
}

async function smallBlobs(servers: Contestants, { isQuick, tell }: BenchOptions): Promise<Measurement[]> {
  const count = isQuick ? 200 : 1000
  const rounds = isQuick ? 3 : 5
  tell(`${rounds} rounds of ${count} blobs of ${smallBytes} bytes, ${uploadsAtOnce} at once`)
  const runs = await alternate(servers, rounds, async ({ port }) => {
    const blobs = Array.from({ length: count }, () => framed(randomBytes(smallBytes)))
    return timed(async () => {
      await Promise.all(
        Array.from({ length: uploadsAtOnce }, async () => {
          using client = new RawClient(port)
          for (let blob = blobs.pop(); blob !== undefined; blob = blobs.pop()) await pushBlob(client, blob)
        }),
      )
    })
  })
  return compare(`${count} blobs of 10 kB, ${uploadsAtOnce} at once`, runs, count)
}

interface Run {
  readonly seconds: number
  /** Processor time of the server. */
  readonly used: number
}

interface Runs {
  readonly ours: readonly Run[]
  readonly theirs: readonly Run[]
}

/** The first round is not measured: code is compiled while it runs. */
async function alternate(servers: Contestants, rounds: number, work: (server: ServerProcess) => Promise<number>): Promise<Runs> {
  const runs = { ours: [] as Run[], theirs: [] as Run[] }
  for (let round = 0; round <= rounds; round += 1) {
    const names = ['ours', 'theirs'] as const
    for (const name of round % 2 === 0 ? names : names.toReversed()) {
      const before = await processorSecondsOf(servers[name].pid)
      const seconds = await work(servers[name])
      const used = (await processorSecondsOf(servers[name].pid)) - before
      if (round > 0) runs[name].push({ seconds, used })
    }
  }
  return runs
}

function compare(what: string, { ours, theirs }: Runs, blobs: number): Measurement[] {
  const secondsOf = (runs: readonly Run[]) => runs.map(({ seconds }) => seconds)
  const usedOf = (runs: readonly Run[]) => runs.map(({ used }) => used)
  const ratio = medianRatio(secondsOf(theirs), secondsOf(ours))
  const costRatio = medianRatio(usedOf(theirs), usedOf(ours))
  const [our, their] = [median(secondsOf(ours)), median(secondsOf(theirs))]
  const pace = blobs === 1 ? '' : `, ${(blobs / our).toFixed(0)} blobs/s`
  return [
    {
      bench,
      what,
      goal: 'at least as fast as docker-registry',
      measured: `${ratio.toFixed(2)} x its pace (${our.toFixed(2)} s to ${their.toFixed(2)} s${pace})`,
      isMet: ratio >= 1,
      numbers: { ratio, ourSeconds: secondsOf(ours), theirSeconds: secondsOf(theirs) },
    },
    {
      bench,
      what: `${what}: processor time`,
      measured: `${(1 / costRatio).toFixed(2)} x theirs (${median(usedOf(ours)).toFixed(2)} s to ${median(usedOf(theirs)).toFixed(2)} s)`,
      numbers: { ratio: costRatio, ourSeconds: usedOf(ours), theirSeconds: usedOf(theirs) },
    },
  ]
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now()
  await work()
  return (performance.now() - startedAt) / 1000
}

interface FramedBlob {
  readonly digest: string
  /** In chunks of HTTP/1.1, without the last one. */
  readonly body: Iterable<Buffer>
}

/** Docker's requests for one layer. */
async function pushBlob(client: RawClient, { digest, body }: FramedBlob): Promise<void> {
  const base = `/v2/${repository}/blobs`
  await expectStatus(404, 'HEAD', `${base}/${digest}`)
  const begun = await expectStatus(202, 'POST', `${base}/uploads/`, { headers: ['Content-Length: 0'] })
  const sent = await expectStatus(202, 'PATCH', placeOf(begun), { headers: ['Transfer-Encoding: chunked'], body: withEnd(body) })
  await expectStatus(201, 'PUT', `${placeOf(sent)}&digest=${digest}`, { headers: ['Content-Length: 0'] })

  async function expectStatus(status: number, method: string, path: string, parts: Parameters<RawClient['request']>[2] = {}) {
    const answer = await client.request(method, path, parts)
    if (answer.status !== status) throw new Error(`${method} ${path} was answered ${answer.status}`)
    return answer
  }
}

function placeOf({ headers }: { readonly headers: ReadonlyMap<string, string> }): string {
  const { pathname, search } = new URL(headers.get('location') ?? '', 'http://127.0.0.1')
  return pathname + search
}

function* withEnd(body: Iterable<Buffer>): Generator<Buffer, void, void> {
  yield* body
  yield Buffer.from('0\r\n\r\n')
}

function framed(bytes: Buffer): FramedBlob {
  return { digest: `sha256:${createHash('sha256').update(bytes).digest('hex')}`, body: [frame(bytes)] }
}

/** A new blob each time: one random mebibyte over and over, in Docker's chunks. */
function chunkedBlob(size: number): FramedBlob {
  const block = randomBytes(mebibyte)
  const hash = createHash('sha256')
  for (let at = 0; at < size; at += block.length) hash.update(block)
  const chunks = Array.from({ length: block.length / dockerChunkBytes }, (_, index) =>
    frame(block.subarray(index * dockerChunkBytes, (index + 1) * dockerChunkBytes)),
  )
  const written = Buffer.concat(chunks)
  return { digest: `sha256:${hash.digest('hex')}`, body: Array.from({ length: size / block.length }, () => written) }
}

function frame(bytes: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from('\r\n')])
}
