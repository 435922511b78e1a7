// A fill that another replica streams from here takes little more from upstream than what that replica has had.
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { directTransfers } from '../../src/mirror/fill-transfers.ts'
import { Fills } from '../../src/mirror/fills.ts'
import { Spool } from '../../src/mirror/spool.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { parseRepositoryName } from '../../src/oci/names.ts'
import { MemoryDriver } from '../../src/store/drivers/memory.ts'
import { LocalContent } from '../../src/store/local-content.ts'
import { noMirrorFacts } from '../../src/telemetry/facts.ts'
import { TestClock } from '../support/clock.ts'
import { seededBytes } from '../support/images.ts'
import { scriptedSource, silentLog } from './scripted-source.ts'

const mebibyte = 1024 * 1024
const bytes = seededBytes('followed', 16 * mebibyte)
const digest = digestOf(bytes)
const repository = parseRepositoryName('library/some')
const { signal } = new AbortController()
const chunkBytes = 64 * 1024
/** What the fill may be ahead, what the reader has not told yet, and what is on its way to the disk. */
const onItsWay = mebibyte + mebibyte + 8 * chunkBytes

async function stage() {
  await using building = new AsyncDisposableStack()
  const folder = await mkdtemp(join(tmpdir(), 'entrepot-test-'))
  building.defer(() => rm(folder, { recursive: true, force: true }))
  const clock = new TestClock()
  const upstream = { sent: 0 }
  async function* body() {
    for (let at = 0; at < bytes.length; at += chunkBytes) {
      upstream.sent += chunkBytes
      yield bytes.subarray(at, at + chunkBytes)
    }
  }
  const source = scriptedSource({ openBlob: async () => ({ size: bytes.length, start: 0, body: body(), close() {} }) })
  const local = new LocalContent({ driver: new MemoryDriver({ clock }), clock, log: silentLog })
  const spool = building.use(await Spool.open(folder, clock, silentLog))
  const parts = { source, transfersOf: directTransfers(source), local, spool, clock, log: silentLog, facts: noMirrorFacts }
  const fills = building.use(new Fills(parts))
  const running = building.move()
  return { clock, upstream, fills, [Symbol.asyncDispose]: () => running.disposeAsync() }
}

test('the fill waits for the replica, and goes on as it takes more', async () => {
  await using staged = await stage()
  const { clock, upstream, fills } = staged
  await fills.join(repository, digest, signal)
  const follower = (await fills.running(repository, digest, signal))?.open(undefined, signal)[Symbol.asyncIterator]()
  assert.ok(follower !== undefined)
  let received = 0
  const takeTo = async (position: number) => {
    while (received < position) received += (await follower.next()).value?.length ?? 0
  }
  await takeTo(1)
  await clock.sleeping(1_000)
  const first = upstream.sent
  assert.ok(first <= received + onItsWay, `${first} bytes from upstream, ${received} with the replica`)
  await takeTo(8 * mebibyte)
  await clock.sleeping(1_000)
  assert.ok(
    upstream.sent > first && upstream.sent <= received + onItsWay,
    `${upstream.sent} bytes from upstream, ${received} with the replica`,
  )
  await takeTo(bytes.length)
  assert.equal((await follower.next()).done, true)
  assert.equal(upstream.sent, bytes.length)
})

test('a client does not hold the fill up', async () => {
  await using staged = await stage()
  const { upstream, fills } = staged
  const client = (await fills.join(repository, digest, signal))?.open(undefined, signal)[Symbol.asyncIterator]()
  await client?.next()
  const late = await fills.join(repository, digest, signal)
  let received = 0
  for await (const chunk of late?.open(undefined, signal) ?? []) received += chunk.length
  assert.deepEqual([received, upstream.sent], [bytes.length, bytes.length])
  await client?.return?.()
})
