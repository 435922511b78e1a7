// Lists, against Debian's docker-registry on the very same folder: a repository of 100,000 tags, a catalog of 10,000 repositories.
// Each is asked for as it stands, and again right after somebody has changed it, when nothing that is remembered holds.
import { once } from 'node:events'
import { mkdirSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { Agent, type IncomingMessage, request } from 'node:http'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { requestRate } from './cached.bench.ts'
import { type BenchOptions, type Measurement, median, medianRatio } from './measurement.ts'
import { type ServerProcess, workFolder } from './server-process.ts'
import { startDockerRegistry, startOwnRegistry } from './servers.ts'

const bench = 'lists'
const leastRatio = 5
const manyTags = 'bench/tags'

interface Contestants {
  readonly ours: ServerProcess
  readonly theirs: ServerProcess
  /** docker/registry/v2/repositories */
  readonly repositories: string
}

interface Question {
  readonly what: string
  readonly path: string
  /** Names in the answers, so that both are known to have said what was asked. */
  readonly names: { readonly ours: number; readonly theirs: number }
  /** Relative to the folder of repositories; made before each question. */
  readonly change?: (turn: number) => string
  readonly isGoal: boolean
}

export async function lists(options: BenchOptions): Promise<Measurement[]> {
  const [tags, repositories] = options.isQuick ? [20_000, 2_000] : [100_000, 10_000]
  await using folder = await workFolder()
  const root = join(folder.path, 'data/docker/registry/v2/repositories')
  options.tell(`making ${tags} tags and ${repositories} repositories`)
  makeFolders(root, tags, repositories)
  await using ours = await startOwnRegistry(folder.path, { tags: { maxtags: tags } })
  await using theirs = await startDockerRegistry(folder.path)
  const servers = { ours, theirs, repositories: root }
  const tagsPath = `/v2/${manyTags}/tags/list`
  const whole = { ours: tags, theirs: tags }
  const [firstTags, firstRepositories] = [
    { ours: 1000, theirs: tags },
    { ours: 100, theirs: 100 },
  ] as const
  const newTag = (turn: number) => `${manyTags}/_manifests/tags/new-${turn}`
  const newRepository = (turn: number) => `new-${turn}/_layers`
  const questions: Question[] = [
    { what: `tags/list of ${tags} tags, whole`, path: `${tagsPath}?n=${tags}`, names: whole, isGoal: true },
    { what: `tags/list of ${tags} tags, the first 1,000 (theirs: whole)`, path: `${tagsPath}?n=1000`, names: firstTags, isGoal: true },
    { what: `the first page of ${repositories} repositories`, path: '/v2/_catalog', names: firstRepositories, isGoal: true },
    { what: 'the first page of tags, after a change', path: `${tagsPath}?n=1000`, names: firstTags, change: newTag, isGoal: false },
    {
      what: 'the first page of repositories, after a change',
      path: '/v2/_catalog',
      names: firstRepositories,
      change: newRepository,
      isGoal: false,
    },
  ]
  const measurements: Measurement[] = []
  for (const question of questions) measurements.push(await measure(servers, question, options))
  return measurements
}

/** What the lists look at, and no more: neither looks into a tag. */
function makeFolders(root: string, tags: number, repositories: number): void {
  // 7919 and the numbers of names have no common divisor, so each comes once, in no order.
  for (let index = 0; index < tags; index += 1)
    mkdirSync(join(root, manyTags, '_manifests/tags', `v1.${(index * 7919) % tags}`), { recursive: true })
  for (let index = 0; index < repositories; index += 1) {
    const name = `team-${index % 50}/image-${(index * 7919) % repositories}`
    for (const part of ['_layers/sha256', '_manifests/tags']) mkdirSync(join(root, name, part), { recursive: true })
  }
}

async function measure(servers: Contestants, question: Question, { isQuick, tell }: BenchOptions): Promise<Measurement> {
  const { what, isGoal } = question
  tell(what)
  const isSmall = question.change === undefined && question.names.theirs <= 1000
  const rounds = isQuick || isSmall ? 5 : 15
  const times = { ours: [] as number[], theirs: [] as number[] }
  for (let round = 0; round <= rounds; round += 1) {
    for (const name of ['ours', 'theirs'] as const) {
      const turn = round * 2 + Number(name === 'ours')
      const ms = isSmall ? await askOften(servers, name, question) : await ask(servers, name, question, turn)
      // The first is not measured: code is compiled while it runs.
      if (round > 0) times[name].push(ms)
    }
  }
  const ratio = medianRatio(times.theirs, times.ours)
  const measured = `${ratio.toFixed(1)} x its pace (${median(times.ours).toFixed(2)} ms to ${median(times.theirs).toFixed(2)} ms)`
  const numbers = { ratio, ourMilliseconds: times.ours, theirMilliseconds: times.theirs }
  if (!isGoal) return { bench, what, measured, numbers }
  return { bench, what, goal: `at least ${leastRatio} x docker-registry`, measured, isMet: ratio >= leastRatio, numbers }
}

async function ask(servers: Contestants, name: 'ours' | 'theirs', { path, names, change }: Question, turn: number): Promise<number> {
  if (change !== undefined) await mkdir(join(servers.repositories, change(turn)), { recursive: true })
  const { status, bytes, ms } = await get(servers[name].port, path)
  const body = JSON.parse(bytes.toString()) as { tags?: string[]; repositories?: string[] }
  const found = (body.tags ?? body.repositories ?? []).length
  if (status !== 200 || found < names[name]) throw new Error(`${path} was answered ${status} with ${found} names`)
  return ms
}

/** Milliseconds of one answer among many, by wrk: of a fraction of a millisecond, a client in JavaScript would be the greater part. */
async function askOften(servers: Contestants, name: 'ours' | 'theirs', question: Question): Promise<number> {
  await ask(servers, name, question, 0)
  return 1000 / (await requestRate(servers[name], question.path, 2, 1)).perSecond
}

const agent = new Agent({ keepAlive: true })

/** Milliseconds until the last byte. The body may be chunked, as docker-registry's long ones are. */
async function get(
  port: number,
  path: string,
): Promise<{ readonly status: number | undefined; readonly bytes: Buffer; readonly ms: number }> {
  const startedAt = performance.now()
  const [response] = (await once(request({ host: '127.0.0.1', port, path, agent }).end(), 'response')) as [IncomingMessage]
  const bytes = await buffer(response)
  return { status: response.statusCode, bytes, ms: performance.now() - startedAt }
}
