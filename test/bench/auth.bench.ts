// What logging in costs others: anonymous readers of a cached manifest beside a thousand requests per second, once with a password
// and once without; and beside people who try passwords, each of which costs a bcrypt of 2^10 rounds.
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { ociImage } from '../support/images.ts'
import { runProgram } from '../support/servers/program.ts'
import { pushImage } from '../support/servers/push.ts'
import { type BenchOptions, type Measurement, median, medianRatio } from './measurement.ts'
import { RawClient } from './raw-client.ts'
import { workFolder } from './server-process.ts'
import { startOwnRegistry } from './servers.ts'

const bench = 'auth'
const besidePerSecond = 1000
const readersPerSecond = 200
const guessesPerSecond = 5
/** Two runs of the same differ by more on a busy machine. */
const mostRatio = 1.15

export async function auth({ isQuick, tell }: BenchOptions): Promise<Measurement[]> {
  await using folder = await workFolder()
  const path = join(folder.path, 'htpasswd')
  await runProgram('htpasswd', ['-cbB', '-C', '10', path, 'alice', 'wonder'])
  const more = { auth: { htpasswd: { realm: 'bench', path }, anonymous: 'pull' } }
  await using server = await startOwnRegistry(folder.path, more)
  const image = ociImage({ seed: 'auth' })
  const url = `http://127.0.0.1:${server.port}`
  await pushImage({ url, authorize: async () => basic('wonder') }, 'team/app', image, ['1'])
  const target = { port: server.port, path: '/v2/team/app/manifests/1' }
  const seconds = isQuick ? 2 : 5
  const rounds = isQuick ? 3 : 7
  tell(`${rounds} rounds of three times ${seconds} s`)
  const p99 = { anonymous: [] as number[], password: [] as number[], guesses: [] as number[] }
  const rates: number[] = []
  await round(target, 1, { rate: besidePerSecond, authorization: () => basic('wonder') })
  for (let at = 0; at < rounds; at += 1) {
    const kinds = [
      async () => p99.anonymous.push((await round(target, seconds, { rate: besidePerSecond })).p99),
      async () => {
        const done = await round(target, seconds, { rate: besidePerSecond, authorization: () => basic('wonder') })
        p99.password.push(done.p99)
        rates.push(done.besidePerSecond)
      },
      async () => {
        const guess = (count: number) => basic(`guess-${at}-${count}`)
        p99.guesses.push((await round(target, seconds, { rate: guessesPerSecond, authorization: guess })).p99)
      },
    ]
    for (const measure of at % 2 === 0 ? kinds : kinds.toReversed()) await measure()
  }
  const [ratio, rate] = [medianRatio(p99.password, p99.anonymous), median(rates)]
  const ms = (values: readonly number[]) => `${median(values).toFixed(2)} ms`
  return [
    {
      bench,
      what: `p99 of anonymous readers beside ${besidePerSecond} requests/s with a password, against as many without`,
      goal: `at most ${mostRatio} x, at ${besidePerSecond}/s`,
      measured: `${ratio.toFixed(2)} x (${ms(p99.password)} to ${ms(p99.anonymous)}), ${rate.toFixed(0)}/s`,
      isMet: ratio <= mostRatio && rate >= besidePerSecond * 0.98,
      numbers: { ratio, perSecond: rates, passwordMs: p99.password, anonymousMs: p99.anonymous },
    },
    {
      bench,
      what: `p99 of anonymous readers beside ${guessesPerSecond} new passwords/s of 2^10 rounds`,
      measured: ms(p99.guesses),
      numbers: { guessesMs: p99.guesses },
    },
  ]
}

interface Target {
  readonly port: number
  readonly path: string
}

interface Beside {
  readonly rate: number
  readonly authorization?: (count: number) => string
}

async function round(target: Target, seconds: number, { rate, authorization }: Beside): Promise<{ p99: number; besidePerSecond: number }> {
  const startedAt = performance.now()
  const headersOf = (count: number) => (authorization === undefined ? [] : [`Authorization: ${authorization(count)}`])
  const [readers, beside] = await Promise.all([
    paced(target, { rate: readersPerSecond, seconds, headersOf: () => [] }),
    paced(target, { rate, seconds, headersOf }),
  ])
  const sorted = readers.toSorted((a, b) => a - b)
  return { p99: sorted[Math.floor(sorted.length * 0.99)] ?? 0, besidePerSecond: (beside.length / (performance.now() - startedAt)) * 1000 }
}

interface Pace {
  readonly rate: number
  readonly seconds: number
  readonly headersOf: (count: number) => readonly string[]
}

/** Asks at fixed moments, over as many connections as that needs. Milliseconds of each answer since its moment. */
async function paced({ port, path }: Target, { rate, seconds, headersOf }: Pace): Promise<number[]> {
  const free: RawClient[] = []
  const all: RawClient[] = []
  const answers: Promise<number>[] = []
  const startedAt = performance.now()
  for (let count = 0; count < rate * seconds; count += 1) {
    const dueAt = startedAt + (count / rate) * 1000
    if (performance.now() < dueAt) await sleep(Math.max(1, dueAt - performance.now()))
    const client = free.pop() ?? new RawClient(port)
    if (!all.includes(client)) all.push(client)
    const askedAt = performance.now()
    const answer = client.get(path, undefined, headersOf(count)).then(({ status }) => {
      free.push(client)
      if (status !== 200 && status !== 401 && status !== 429) throw new Error(`answered ${status}`)
      return performance.now() - askedAt
    })
    answers.push(answer)
  }
  const times = await Promise.all(answers)
  for (const client of all) client[Symbol.dispose]()
  return times
}

function basic(password: string): string {
  return `Basic ${Buffer.from(`alice:${password}`).toString('base64')}`
}
