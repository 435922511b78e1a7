// `http.workers` for those who operate it: one debug address that answers for all processes, one sender of events, one eviction.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { promisify } from 'node:util'
import { startSink } from '../notify/sink.ts'
import { type Hub, startHub } from '../support/hub/hub.ts'
import { type Image, ociImage } from '../support/images.ts'
import { assertSound, filesBelow } from '../support/store-tree.ts'
import { until } from '../support/until.ts'
import { scrape } from '../telemetry/scrape.ts'
import { type Child, type ChildOptions, startChild } from './child.ts'

const run = promisify(execFile)
const debug = { addr: '127.0.0.1:0', prometheus: { enabled: true } }
let folder: string
let hub: Hub

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'entrepot-workers-'))
  hub = await startHub()
})

afterEach(async () => {
  await hub[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

const start = (options: Partial<ChildOptions> = {}): Promise<Child> =>
  startChild({ folder, upstream: hub.url, http: { workers: 2, debug }, ...options })

/** Each on a connection of its own, so that both workers get some. */
async function pull(child: Child, path: string): Promise<void> {
  const response = await fetch(`${child.url}/v2/library/some/${path}`, { headers: { connection: 'close', accept: '*/*' } })
  await response.arrayBuffer()
  assert.equal(response.status, 200, path)
}

const debugUrl = (child: Child) =>
  `http://${/127\.0\.0\.1:\d+(?=.*the debug server listens)|(?<=the debug server listens.*)127\.0\.0\.1:\d+/.exec(child.log())?.[0]}`

async function workersOf(child: Child): Promise<number[]> {
  const { stdout } = await run('ps', ['-o', 'pid=', '--ppid', String(child.pid)])
  return stdout.trim().split(/\s+/).map(Number)
}

test('the debug address answers for all workers, and goes on counting what a dead one had counted', async () => {
  hub.add('some', ociImage({ seed: 'workers' }), { tags: ['latest'] })
  await using child = await start()
  const asked = { handler: 'manifest', code: '200' }
  const counted = async () => (await scrape(`${debugUrl(child)}/metrics`)).sum('registry_http_requests_total', asked)
  for (let at = 0; at < 12; at += 1) await pull(child, 'manifests/latest')
  for (let at = 0; at < 4; at += 1) await until('both workers are counted', async () => (await counted()) === 12)

  const metrics = await scrape(`${debugUrl(child)}/metrics`)
  assert.equal(metrics.sum('entrepot_pulls_total', { kind: 'manifest' }), 12)
  assert.equal(metrics.sum('entrepot_fills_in_flight'), 0)
  const [victim = 0] = await workersOf(child)
  process.kill(victim, 'SIGKILL')
  await until('it is replaced', async () => {
    const workers = await workersOf(child)
    return workers.length === 2 && !workers.includes(victim)
  })
  await until('nothing is forgotten', async () => (await counted()) === 12)
  for (const path of ['/livez', '/readyz', '/debug/health']) assert.equal((await fetch(`${debugUrl(child)}${path}`)).status, 200, path)
})

test('a check that fails in one worker fails for all who ask', async () => {
  const file = join(folder, 'maintenance')
  await using child = await start({ config: { health: { file: [{ file, interval: '50ms' }] } } })
  await run('touch', [file])
  await until('it is told', async () => (await fetch(`${debugUrl(child)}/debug/health`)).status === 503)
  const ready = (await (await fetch(`${debugUrl(child)}/readyz`)).json()) as { status: string; checks: Record<string, string> }
  assert.equal(ready.status, 'failing')
  assert.match(ready.checks[file] ?? '', /exists/)
})

test('events of all workers come in one order, also those that waited over a restart', async () => {
  await using sink = await startSink()
  const images = Array.from({ length: 10 }, (_, at) => ociImage({ seed: `event ${at}` }))
  for (const [at, image] of images.entries()) hub.add('some', image, { tags: [`tag-${at}`] })
  const config = { notifications: { endpoints: [{ name: 'sink', url: sink.url, threshold: 2, backoff: '20ms' }] } }
  sink.status = 503
  {
    await using child = await start({ config })
    for (const at of images.keys()) if (at < 5) await pull(child, `manifests/tag-${at}`)
    const waiting = async () =>
      (await scrape(`${debugUrl(child)}/metrics`)).sum('registry_notifications_pending_total', { endpoint: 'sink' })
    await until('they wait', async () => (await waiting()) === 5)
    assert.deepEqual(await child.end('SIGTERM'), [0, null])
  }
  sink.status = 200
  await using child = await start({ config })
  for (const at of images.keys()) if (at >= 5) await pull(child, `manifests/tag-${at}`)
  await until('all have come', () => sink.taken.length >= 10)
  assert.deepEqual(
    sink.events().map(({ target }) => target.digest),
    images.map((image) => image.manifest.digest),
  )
})

test('two workers fill one cache above its limit: one index, made once, and one eviction at a time', async () => {
  const maxBytes = 2_000_000
  const images: Image[] = Array.from({ length: 16 }, (_, at) => ociImage({ seed: `cap ${at}`, layerBytes: 300_000 }))
  for (const [at, image] of images.entries()) hub.add('some', image, { tags: [`tag-${at}`] })
  await using child = await start({ proxy: { maxsize: String(maxBytes) } })
  await until('the index is there', () => /the usage index was made/.test(child.log()))
  for (const image of images) {
    const digests = [...image.blobs.keys()]
    await Promise.all([pull(child, `manifests/${image.manifest.digest}`), ...digests.map((digest) => pull(child, `blobs/${digest}`))])
  }
  const stored = async () => {
    const { stdout } = await run('du', ['-sb', '--apparent-size', join(folder, 'store/docker/registry/v2/blobs')])
    return Number(stdout.split('\t')[0])
  }
  await until('something was evicted', () => /evicted what was not used for long/.test(child.log()))
  const [bytes, files] = [await stored(), await filesBelow(join(folder, 'store/docker/registry/v2/blobs'))]
  assert.ok(bytes <= maxBytes * 1.02 + files.length * 3 * 4096, `${bytes} bytes are kept`)
  assert.equal(child.log().match(/the usage index was made/g)?.length, 1)
  assert.doesNotMatch(child.log(), /usage index cannot|database is locked/)
  assert.deepEqual(await child.end('SIGTERM'), [0, null])
  await assertSound(join(folder, 'store'))
})
