// What logging in costs others: anonymous readers of a cached manifest beside a thousand requests per second, once with a password
// and once without; and beside people who try passwords, each of which costs a bcrypt of 2^10 rounds.
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { ociImage } from '../support/images.ts'
import { runProgram } from '../support/servers/program.ts'
import { pushImage } from '../support/servers/push.ts'
import { type BenchOptions, type Measurement, median } from './measurement.ts'
import { processorSecondsOf } from './process-use.ts'
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
  const target = { pid: server.pid, port: server.port, path: '/v2/team/app/manifests/1' }
  const seconds = 2
  const rounds = isQuick ? 4 : 20
  tell(`${rounds} rounds of three times ${seconds} s`)
  const times = { anonymous: [] as number[], password: [] as number[], guesses: [] as number[] }
  const cost = { anonymous: [] as number[], password: [] as number[] }
  const rates: number[] = []
  await round(target, 5, { rate: besidePerSecond, authorization: () => basic('wonder') })
  for (let at = 0; at < rounds; at += 1) {
    const kinds = [
      async () => {
        const done = await round(target, seconds, { rate: besidePerSecond })
        times.anonymous.push(...done.readersMs)
        cost.anonymous.push(done.microseconds)
      },
      async () => {
        const done = await round(target, seconds, { rate: besidePerSecond, authorization: () => basic('wonder') })
        times.password.push(...done.readersMs)
        cost.password.push(done.microseconds)
        rates.push(done.besidePerSecond)
      },
      async () => {
        const guess = (count: number) => basic(`guess-${at}-${count}`)
        times.guesses.push(...(await round(target, seconds, { rate: guessesPerSecond, authorization: guess })).readersMs)
      },
    ]
    for (const measure of at % 2 === 0 ? kinds : kinds.toReversed()) await measure()
  }
  // Of all rounds together: the slowest hundredth of one is a handful of answers, and differs tenfold between two that are alike.
  const p99 = { anonymous: p99Of(times.anonymous), password: p99Of(times.password), guesses: p99Of(times.guesses) }
  const [ratio, rate] = [p99.password / p99.anonymous, median(rates)]
  const ms = (value: number) => `${value.toFixed(2)} ms`
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
      what: 'processor time of one request in that load, with a password and without',
      measured: `${median(cost.password).toFixed(0)} µs to ${median(cost.anonymous).toFixed(0)} µs`,
      numbers: { passwordMicroseconds: cost.password, anonymousMicroseconds: cost.anonymous },
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
  readonly pid: number
  readonly port: number
  readonly path: string
}

interface Beside {
  readonly rate: number
  readonly authorization?: (count: number) => string
}

interface Done {
  /** Of each answer to the readers. */
  readonly readersMs: readonly number[]
  readonly besidePerSecond: number
  /** Of the server's processor time, for each of all requests. */
  readonly microseconds: number
}

async function round(target: Target, seconds: number, { rate, authorization }: Beside): Promise<Done> {
  const usedBefore = await processorSecondsOf(target.pid)
  const startedAt = performance.now()
  const headersOf = (count: number) => (authorization === undefined ? [] : [`Authorization: ${authorization(count)}`])
  const [readers, beside] = await Promise.all([
    paced(target, { rate: readersPerSecond, seconds, headersOf: () => [] }),
    paced(target, { rate, seconds, headersOf }),
  ])
  const elapsedMs = performance.now() - startedAt
  const used = (await processorSecondsOf(target.pid)) - usedBefore
  return {
    readersMs: readers,
    besidePerSecond: (beside.length / elapsedMs) * 1000,
    microseconds: (used / (readers.length + beside.length)) * 1e6,
  }
}

function p99Of(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length * 0.99)] ?? 0
}

interface Pace {
  readonly rate: number
  readonly seconds: number
  readonly headersOf: (count: number) => readonly string[]
}

/** Asks at fixed moments, as far as 32 connections carry it. Milliseconds of each answer. */
async function paced({ port, path }: Target, { rate, seconds, headersOf }: Pace): Promise<number[]> {
  const times: number[] = []
  const startedAt = performance.now()
  let next = 0
  const askOn = async () => {
    using client = new RawClient(port)
    for (let count = next++; count < rate * seconds; count = next++) {
      const waitMs = startedAt + (count / rate) * 1000 - performance.now()
      if (waitMs > 0) await sleep(waitMs)
      const { status, lastByteMs } = await client.get(path, undefined, headersOf(count))
      if (status !== 200 && status !== 401 && status !== 429) throw new Error(`answered ${status}`)
      times.push(lastByteMs)
    }
  }
  await Promise.all(Array.from({ length: 32 }, askOn))
  return times
}

function basic(password: string): string {
  return `Basic ${Buffer.from(`alice:${password}`).toString('base64')}`
}
