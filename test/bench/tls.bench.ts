// Cached blobs over TLS, against nginx that serves the very same file over TLS; and through nginx with `http.accel`.
import { createHash, randomFillSync } from 'node:crypto'
import { mkdir, open, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { createAuthority } from '../support/authority.ts'
import { startNginx } from '../support/servers/proxies.ts'
import { runProgram } from '../support/servers/program.ts'
import { type Bench, type Measurement, median, medianRatio, mebibyte } from './measurement.ts'
import { processorSecondsOfFamily } from './process-use.ts'
import { type ServerProcess, startServerProcess, workFolder } from './server-process.ts'
import { startNginx as startFileServer } from './servers.ts'

const bench = 'tls'
const main = join(import.meta.dirname, '../../src/main.ts')

export const tls: Bench = async ({ isQuick, tell }) => {
  await using folder = await workFolder()
  await using authority = await createAuthority()
  const certificate = await authority.issue('server')
  const size = (isQuick ? 128 : 256) * mebibyte
  const data = join(folder.path, 'data')
  const hex = await putBlob(data, size)
  await using ours = await startEntrepot(folder.path, 'direct', {
    tls: { certificate: certificate.certificateFile, key: certificate.keyFile },
  })
  await using behind = await startEntrepot(folder.path, 'behind', { accel: 'nginx' })
  await using nginx = await startFileServer(folder.path, certificate)
  await using accel = await startNginx({
    example: 'nginx-accel.conf',
    substitutions: {
      '127.0.0.1:5000': `127.0.0.1:${behind.port}`,
      '/etc/nginx/ssl/registry.crt': certificate.certificateFile,
      '/etc/nginx/ssl/registry.key': certificate.keyFile,
      '/var/lib/registry/': `${data}/`,
    },
  })
  const blob = `/v2/bench/blob/blobs/sha256:${hex}`
  const file = `/docker/registry/v2/blobs/sha256/${hex.slice(0, 2)}/${hex}/data`
  const contestants = {
    ours: { server: ours, path: blob },
    accel: { server: accel, path: blob },
    nginx: { server: nginx, path: file },
  }
  const rounds = isQuick ? 5 : 11
  tell(`${rounds} rounds of ${size / mebibyte} MiB over TLS`)
  const one = await compete(contestants, { size, rounds, clients: 1 })
  const four = await compete({ ours: contestants.ours, nginx: contestants.nginx }, { size, rounds, clients: 4 })
  return [
    told('a cached blob over TLS, one client: against nginx with TLS', 1, one.ours.rates, one.nginx.rates),
    cost('a cached blob over TLS, one client: processor time of a GiB, against nginx with TLS', one.ours, one.nginx),
    told('a cached blob over TLS, four clients at once: against nginx with TLS', 1, four.ours.rates, four.nginx.rates),
    told('one client through nginx with http.accel, against nginx itself', 0.95, one.accel.rates, one.nginx.rates),
  ]
}

interface Contestant {
  readonly server: { readonly pid?: number; readonly port: number }
  readonly path: string
}

interface Contest {
  readonly size: number
  readonly rounds: number
  /** That download at the same time. */
  readonly clients: number
}

interface Result {
  /** Mebibytes per second of all clients. */
  readonly rates: number[]
  /** Processor seconds for a gibibyte, of each round. */
  readonly costs: number[]
}

/** Each in turn; the first round, which fills the page cache and compiles code, is not counted. */
async function compete<Name extends string>(
  contestants: Readonly<Record<Name, Contestant>>,
  { size, rounds, clients }: Contest,
): Promise<Record<Name, Result>> {
  const names = Object.keys(contestants) as Name[]
  const results = Object.fromEntries(names.map((name) => [name, { rates: [], costs: [] }])) as unknown as Record<Name, Result>
  for (let round = -1; round < rounds; round += 1) {
    for (const name of round % 2 === 0 ? names : names.toReversed()) {
      const { server, path } = contestants[name]
      const used = async () => (server.pid === undefined ? 0 : processorSecondsOfFamily(server.pid))
      const before = await used()
      const rate = await rateOf(server.port, path, size, clients)
      const seconds = (await used()) - before
      if (round < 0) continue
      results[name].rates.push(rate)
      results[name].costs.push((seconds * 1024 * mebibyte) / (size * clients))
    }
  }
  return results
}

function cost(what: string, ours: Result, theirs: Result): Measurement {
  const ratio = medianRatio(theirs.costs, ours.costs)
  const seconds = ({ costs }: Result) => `${median(costs).toFixed(2)} s`
  return {
    bench,
    what,
    measured: `${ratio.toFixed(2)} times less (${seconds(ours)} to ${seconds(theirs)})`,
    numbers: { ratio, secondsPerGibibyte: ours.costs, nginxSecondsPerGibibyte: theirs.costs },
  }
}

function told(what: string, least: number, ours: readonly number[], theirs: readonly number[]): Measurement {
  const ratio = medianRatio(ours, theirs)
  return {
    bench,
    what,
    goal: `at least ${least} x its MB/s`,
    measured: `${ratio.toFixed(2)} x (${median(ours).toFixed(0)} MiB/s to ${median(theirs).toFixed(0)} MiB/s)`,
    isMet: ratio >= least,
    numbers: { ratio, mebibytesPerSecond: ours, nginxMebibytesPerSecond: theirs },
  }
}

/** Mebibytes per second of so many curls together, with one cipher suite for all. */
async function rateOf(port: number, path: string, size: number, clients: number): Promise<number> {
  const startedAt = performance.now()
  const rates = await Promise.all(Array.from({ length: clients }, () => rateOfOne(port, path, size)))
  return clients === 1 ? (rates[0] ?? Number.NaN) : (clients * size * 1000) / mebibyte / (performance.now() - startedAt)
}

async function rateOfOne(port: number, path: string, size: number): Promise<number> {
  const options = [
    '-sfk',
    '--http1.1',
    '--tls13-ciphers',
    'TLS_AES_128_GCM_SHA256',
    '-o',
    '/dev/null',
    '-w',
    '%{time_total} %{size_download}',
  ]
  const { stdout } = await runProgram('curl', [...options, `https://127.0.0.1:${port}${path}`])
  const [seconds = 0, bytes] = stdout.split(' ').map(Number)
  if (bytes !== size) throw new Error(`${path}: ${bytes} bytes came`)
  return size / mebibyte / seconds
}

/** A blob of a repository, as distribution lays it down. The hash. */
async function putBlob(data: string, size: number): Promise<string> {
  const chunk = Buffer.allocUnsafe(mebibyte)
  const hash = createHash('sha256')
  const root = join(data, 'docker/registry/v2')
  await mkdir(root, { recursive: true })
  const source = join(data, 'source')
  await using file = await open(source, 'w')
  for (let at = 0; at < size; at += chunk.length) {
    randomFillSync(chunk)
    hash.update(chunk)
    await file.write(chunk)
  }
  const hex = hash.digest('hex')
  const blob = join(root, 'blobs/sha256', hex.slice(0, 2), hex)
  const link = join(root, 'repositories/bench/blob/_layers/sha256', hex)
  await mkdir(blob, { recursive: true })
  await mkdir(link, { recursive: true })
  await rename(source, join(blob, 'data'))
  await writeFile(join(link, 'link'), `sha256:${hex}`)
  return hex
}

async function startEntrepot(folder: string, name: string, http: Record<string, unknown>): Promise<ServerProcess> {
  const file = join(folder, `${name}.yml`)
  const storage = { filesystem: { rootdirectory: join(folder, 'data') }, cache: { blobdescriptor: 'inmemory' } }
  await writeFile(file, stringify({ version: 0.1, storage, http: { addr: '127.0.0.1:0', ...http } }))
  const ready = /entrepot listens on 127\.0\.0\.1:(\d+)/
  return startServerProcess({ folder, name, command: process.execPath, args: [main, 'serve', file], ready })
}
