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
  const contestants = { ours: [ours.port, blob], accel: [accel.port, blob], nginx: [nginx.port, file] } as const
  const rates = { ours: [] as number[], accel: [] as number[], nginx: [] as number[] }
  const used = { ours: 0, nginx: 0 }
  const names = ['ours', 'accel', 'nginx'] as const
  const rounds = isQuick ? 5 : 11
  tell(`${rounds} rounds of ${size / mebibyte} MiB over TLS`)
  for (let round = -1; round < rounds; round += 1) {
    for (const name of round % 2 === 0 ? names : names.toReversed()) {
      const pid = name === 'accel' ? undefined : (name === 'ours' ? ours : nginx).pid
      const before = pid === undefined ? 0 : await processorSecondsOfFamily(pid)
      const rate = await rateOf(...contestants[name], size)
      if (round >= 0 && pid !== undefined) used[name === 'ours' ? 'ours' : 'nginx'] += (await processorSecondsOfFamily(pid)) - before
      // The first one fills the page cache and compiles code.
      if (round >= 0) rates[name].push(rate)
    }
  }
  const perGibibyte = (seconds: number) => (seconds * 1024 * mebibyte) / (rounds * size)
  const crowds = { ours: [] as number[], nginx: [] as number[] }
  for (let round = -1; round < rounds; round += 1) {
    for (const name of ['ours', 'nginx'] as const) {
      const rate = await rateOf(...contestants[name], size, 4)
      if (round >= 0) crowds[name].push(rate)
    }
  }
  return [
    told('a cached blob over TLS, one client: against nginx with TLS', 1, rates.ours, rates.nginx),
    {
      bench,
      what: 'a cached blob over TLS, one client: processor time of a GiB, against nginx with TLS',
      measured: `${(used.nginx / used.ours).toFixed(2)} times less (${perGibibyte(used.ours).toFixed(2)} s to ${perGibibyte(used.nginx).toFixed(2)} s)`,
      numbers: { ratio: used.nginx / used.ours, seconds: perGibibyte(used.ours), nginxSeconds: perGibibyte(used.nginx) },
    },
    told('a cached blob over TLS, four clients at once: against nginx with TLS', 1, crowds.ours, crowds.nginx),
    told('one client through nginx with http.accel, against nginx itself', 0.95, rates.accel, rates.nginx),
  ]
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
async function rateOf(port: number, path: string, size: number, clients = 1): Promise<number> {
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
