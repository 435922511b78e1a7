// `http.workers`: several processes behind one port act as one: a single fill, a single secret, and a dead one is replaced.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { promisify } from 'node:util'
import { type Hub, startHub } from '../support/hub/hub.ts'
import { digestOf, memoryBlob, seededBytes } from '../support/images.ts'
import { until } from '../support/until.ts'
import { type Child, type ChildOptions, startChild } from './child.ts'
import { gate, questionsTo } from './scene.ts'

const run = promisify(execFile)
const repository = 'library/some'
const mebibyte = 1024 * 1024
const blob = memoryBlob(seededBytes('workers', 8 * mebibyte))
let folder: string
let hub: Hub

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'entrepot-workers-'))
  hub = await startHub()
  hub.addBlob(repository, blob)
})

afterEach(async () => {
  await hub[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

const start = (options: Partial<ChildOptions> = {}): Promise<Child> =>
  startChild({ folder, upstream: hub.url, http: { workers: 2 }, proxy: { libraryprefix: true }, ...options })

async function workersOf(child: Child): Promise<number[]> {
  const { stdout } = await run('ps', ['-o', 'pid=', '--ppid', String(child.pid)])
  return stdout.trim().split(/\s+/).map(Number)
}

test('clients of two workers share one transfer while it runs', async () => {
  await using child = await start()
  const { openBlob } = questionsTo(() => child)
  const rest = gate()
  hub.script([{ on: { kind: 'cdn' }, stallAfterBytes: mebibyte, until: rest.opened }])

  const clients = await Promise.all(Array.from({ length: 8 }, () => openBlob(repository, blob.digest)))
  for (const client of clients) assert.equal((await client.readTo(mebibyte)).length, mebibyte)
  rest.open()
  for (const { body, ending } of await Promise.all(clients.map((client) => client.readAll()))) {
    assert.deepEqual([ending, digestOf(body)], ['whole', blob.digest])
  }
  assert.equal(hub.bytesSent({ kind: 'cdn' }), blob.size)
  assert.equal((await workersOf(child)).length, 2)
  assert.deepEqual(await child.end('SIGTERM'), [0, null])
})

test('a worker is killed in the middle of a fill: the other one goes on from what it has, and the dead one is replaced', async () => {
  await using child = await start()
  const { openBlob, blob: ask } = questionsTo(() => child)
  const rest = gate()
  hub.script([{ on: { kind: 'cdn' }, stallAfterBytes: 4 * mebibyte, until: rest.opened }])
  const clients = await Promise.all(Array.from({ length: 8 }, () => openBlob(repository, blob.digest)))
  for (const client of clients) await client.readTo(4 * mebibyte)

  const [victim = 0, other = 0] = await workersOf(child)
  process.kill(victim, 'SIGKILL')
  rest.open()
  const ends = await Promise.all(clients.map((client) => client.readAll()))

  const whole = ends.filter(({ ending }) => ending === 'whole')
  assert.ok(whole.length >= 1 && whole.length < 8, `${whole.length} of 8 clients were served by the surviving worker`)
  for (const { body } of whole) assert.equal(digestOf(body), blob.digest)
  assert.ok(hub.bytesSent({ kind: 'cdn' }) <= blob.size * 1.05 + 4 * mebibyte, 'what the dead one had on the way, and no more')
  await until('the dead worker is replaced', async () => {
    const workers = await workersOf(child)
    return workers.length === 2 && !workers.includes(victim) && workers.includes(other)
  })
  assert.match(child.log(), /a worker process died; it is replaced/)
  assert.equal(digestOf((await ask(repository, blob.digest)).body), blob.digest)
})

test('an upload goes on in whichever worker gets its next request', async () => {
  await using child = await start({ proxy: { local: ['team/*'] } })
  const body = seededBytes('upload', 300_000)
  const ask = (url: string, init: RequestInit) => fetch(url, { ...init, headers: { connection: 'close' } })
  const begun = await ask(`${child.url}/v2/team/app/blobs/uploads/`, { method: 'POST' })
  let location = new URL(begun.headers.get('location') ?? '', child.url).href
  for (let at = 0; at < body.length; at += 100_000) {
    const patched = await ask(location, { method: 'PATCH', body: body.subarray(at, at + 100_000) })
    assert.equal(patched.status, 202, await patched.text())
    location = new URL(patched.headers.get('location') ?? '', child.url).href
  }
  const done = await ask(`${location}&digest=${digestOf(body)}`, { method: 'PUT' })
  assert.equal(done.status, 201, await done.text())
  const stored = await ask(`${child.url}/v2/team/app/blobs/${digestOf(body)}`, {})
  assert.equal(digestOf(Buffer.from(await stored.arrayBuffer())), digestOf(body))
})

test('workers that cannot start end the process, and it says why once', async () => {
  await using first = await start()
  const elsewhere = await mkdtemp(join(tmpdir(), 'entrepot-workers-'))
  try {
    await assert.rejects(start({ folder: elsewhere, http: { workers: 2, addr: `127.0.0.1:${first.port}` } }), /EADDRINUSE/)
  } finally {
    await rm(elsewhere, { recursive: true, force: true })
  }
})
