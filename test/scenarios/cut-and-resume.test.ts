// Upstream breaks in the middle of a blob. The mirror mends it by Range; clients notice nothing but a pause, unless it can't be mended.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TestClock } from '../support/clock.ts'
import { memoryBlob, seededBytes } from '../support/images.ts'
import type { Fault, Hub } from '../support/hub/hub.ts'
import { outcomeOf } from '../support/pull.ts'
import { assertSound, keptBlobs } from '../support/store-tree.ts'
import { gate, type Scene, startScene } from './scene.ts'

const repository = 'library/some'
const bytes = seededBytes('cut', 300_000)
const blob = memoryBlob(bytes)
const whole = [200, 'miss', 'whole', blob.digest]
/** A break may throw away what had come and was not read yet. */
const onItsWay = 128 * 1024
const never = new Promise<void>(() => {})

async function startCutScene(clock?: TestClock): Promise<Scene> {
  const scene = await startScene({ proxy: { bodyidletimeout: '300ms' }, ...(clock === undefined ? {} : { clock }) })
  scene.hub.addBlob(repository, blob)
  return scene
}

/** First bytes of the transfers, by their Range headers. */
function starts(hub: Hub): number[] {
  return hub.find({ kind: 'cdn', status: [200, 206] }).map(({ headers }) => Number(/^bytes=(\d+)-$/.exec(headers.range ?? 'bytes=0-')?.[1]))
}

const breaks: readonly (readonly [string, (offset: number) => Fault])[] = [
  ['FIN', (offset) => ({ cutAfterBytes: offset })],
  ['RST', (offset) => ({ resetAfterBytes: offset })],
  ['silence', (offset) => ({ stallAfterBytes: offset, until: never })],
]
for (const [name, faultAt] of breaks) {
  for (const offset of [0, 1, 100_000, blob.size - 1]) {
    test(`${name} after ${offset} bytes is mended by a Range from there`, async () => {
      await using scene = await startCutScene()
      const { hub } = scene
      hub.script([{ on: { kind: 'cdn' }, ...faultAt(offset) }])
      assert.deepEqual(outcomeOf(await scene.blob(repository, blob.digest)), whole)
      const [, resumed = -1, ...more] = starts(hub)
      assert.deepEqual(more, [])
      assert.ok(resumed <= offset && (name === 'RST' || resumed >= offset - onItsWay), `from ${resumed}`)
      assert.deepEqual(hub.unusedRules(), [])
      await scene.kept(repository, blob.digest)
      await assertSound(scene.registry.folder)
    })
  }
}

test('three cuts in a row cost upstream little more than the blob', async () => {
  await using scene = await startCutScene()
  const { hub } = scene
  hub.script([50_000, 100_000, 60_000].map((cutAfterBytes) => ({ on: { kind: 'cdn' }, cutAfterBytes })))
  assert.deepEqual(outcomeOf(await scene.blob(repository, blob.digest)), whole)
  assert.equal(hub.count({ kind: 'cdn', range: true }), 3)
  assert.ok(hub.bytesSent({ kind: 'cdn' }) <= blob.size + 3 * onItsWay)
})

test('a signed address that has expired in the middle of a resume is asked for anew', async () => {
  await using scene = await startCutScene()
  const { hub } = scene
  hub.script([
    { on: { kind: 'cdn' }, cutAfterBytes: 100_000 },
    { on: { kind: 'cdn', range: true }, status: 403 },
  ])
  assert.deepEqual(outcomeOf(await scene.blob(repository, blob.digest)), whole)
  assert.equal(hub.count({ kind: 'blob', status: 307 }), 3)
  const addresses = hub.find({ kind: 'cdn' }).map(({ url }) => url)
  assert.equal(new Set(addresses).size, 3, 'each signed address is used once')
})

test('the CDNs see no Authorization, also when a transfer is resumed', async () => {
  await using scene = await startCutScene()
  const { hub } = scene
  hub.script([{ on: { kind: 'cdn' }, cutAfterBytes: 100_000 }])
  assert.deepEqual(outcomeOf(await scene.blob(repository, blob.digest)), whole)
  for (const { headers } of hub.find({ kind: 'cdn' })) assert.equal(headers.authorization, undefined)
})

const tokenEnds: readonly (readonly [string, (hub: Hub) => void])[] = [
  ['expires', (hub) => hub.advance(301)],
  ['is revoked', (hub) => hub.revokeTokens()],
]
for (const [what, end] of tokenEnds) {
  test(`a token that ${what} in the middle of a layer is renewed once`, async () => {
    await using scene = await startCutScene()
    const { hub } = scene
    hub.script([{ on: { kind: 'cdn' }, stallAfterBytes: 100_000, until: never }])
    const client = await scene.openBlob(repository, blob.digest)
    await client.readTo(100_000)
    end(hub)
    const { body, ending } = await client.readAll()
    assert.equal(ending, 'whole')
    assert.deepEqual(body, bytes)
    assert.equal(hub.tokens().length, 2)
    assert.deepEqual(starts(hub), [0, 100_000])
  })
}

test('a CDN that ignores the Range sends all, and the mirror takes what it needs', async () => {
  await using scene = await startCutScene()
  const { hub } = scene
  hub.script([
    { on: { kind: 'cdn' }, cutAfterBytes: 100_000 },
    { on: { kind: 'cdn', range: true }, ignoreRange: true },
  ])
  assert.deepEqual(outcomeOf(await scene.blob(repository, blob.digest)), whole)
  assert.equal(hub.bytesSent({ kind: 'cdn' }), 100_000 + blob.size)
})

const wrongRanges: readonly (readonly [string, Fault])[] = [
  ['another range than was asked for', { wrongContentRange: true }],
  ['a blob of another size', { headers: { 'Content-Range': `bytes 100000-${blob.size - 1}/${blob.size + 1}` } }],
  ['more bytes than the range has', { extraBytes: 7 }],
  ['fewer bytes than the range has', { truncateTo: 7 }],
  ['no Content-Range', { headers: { 'Content-Range': undefined } }],
]
for (const [what, fault] of wrongRanges) {
  test(`an answer of ${what} is not taken, the next right one is`, async () => {
    const clock = new TestClock()
    await using scene = await startCutScene(clock)
    scene.hub.script([
      { on: { kind: 'cdn' }, cutAfterBytes: 100_000 },
      { on: { kind: 'cdn', range: true }, ...fault },
    ])
    const [reply] = await Promise.all([scene.blob(repository, blob.digest), clock.pass(500)])
    assert.deepEqual(outcomeOf(reply), whole)
    await scene.kept(repository, blob.digest)
    await assertSound(scene.registry.folder)
  })

  test(`answers of ${what} without end end the pull short`, async () => {
    const clock = new TestClock()
    await using scene = await startCutScene(clock)
    scene.hub.script([
      { on: { kind: 'cdn' }, cutAfterBytes: 100_000 },
      { on: { kind: 'cdn', range: true }, ...fault, times: Number.POSITIVE_INFINITY },
    ])
    const [reply] = await Promise.all([scene.blob(repository, blob.digest), clock.pass(500)])
    assert.deepEqual([reply.status, reply.ending], [200, 'fin'])
    assert.ok(reply.body.length <= 100_000)
    assert.deepEqual(await keptBlobs(scene.registry.folder), [])
    await assertSound(scene.registry.folder)
  })
}

test('after the last try clients see the connection end short of the length, and the next pull is right', async () => {
  const clock = new TestClock()
  await using scene = await startCutScene(clock)
  const { hub, registry } = scene
  hub.script([
    { on: { kind: 'cdn' }, cutAfterBytes: 100_000 },
    { on: { kind: 'cdn' }, cutAfterBytes: 0, times: Number.POSITIVE_INFINITY },
  ])
  const clients = Promise.all([scene.blob(repository, blob.digest), scene.blob(repository, blob.digest)])
  await clock.pass(500, 1000, 2000, 5000, 10_000)
  for (const reply of await clients) {
    assert.deepEqual([reply.status, reply.headers['content-length'], reply.ending], [200, String(blob.size), 'fin'])
    assert.deepEqual(reply.body, bytes.subarray(0, reply.body.length))
  }
  assert.equal(hub.count({ kind: 'cdn' }), 7)
  assert.deepEqual(await keptBlobs(registry.folder), [])
  await assertSound(registry.folder)
  assert.match(registry.log.join(''), /a blob could not be fetched/)

  hub.clearScript()
  assert.deepEqual(outcomeOf(await scene.blob(repository, blob.digest)), whole)
})

test('an upstream that gives one byte at a time and then cuts is not asked without end', async () => {
  const clock = new TestClock()
  await using scene = await startCutScene(clock)
  const { hub } = scene
  hub.script([{ on: { kind: 'cdn' }, cutAfterBytes: 1, times: Number.POSITIVE_INFINITY }])
  const [reply] = await Promise.all([scene.blob(repository, blob.digest), clock.pass(500, 1000, 2000, 5000, 10_000)])
  assert.equal(reply.ending, 'fin')
  assert.ok(reply.body.length <= 7)
  assert.equal(hub.count({ kind: 'cdn' }), 7)
})

test('a server error in the middle is waited out', async () => {
  const clock = new TestClock()
  await using scene = await startCutScene(clock)
  scene.hub.script([
    { on: { kind: 'cdn' }, cutAfterBytes: 100_000 },
    { on: { kind: 'cdn', range: true }, status: 503, times: 2 },
  ])
  const [reply] = await Promise.all([scene.blob(repository, blob.digest), clock.pass(500, 1000)])
  assert.deepEqual(outcomeOf(reply), whole)
})

test('a rate limit in the middle is given the pause that it asks for', async () => {
  const clock = new TestClock()
  await using scene = await startCutScene(clock)
  scene.hub.script([
    { on: { kind: 'cdn' }, cutAfterBytes: 100_000 },
    { on: { kind: 'blob' }, after: 1, status: 429, retryAfterSeconds: 7 },
  ])
  scene.hub.settings.auth = 'none'
  const [reply] = await Promise.all([scene.blob(repository, blob.digest), clock.pass(7000)])
  assert.deepEqual(outcomeOf(reply), whole)
})

test('the Hub goes down in the middle of a layer and comes back', async () => {
  const clock = new TestClock()
  await using scene = await startCutScene(clock)
  const { hub } = scene
  hub.script([{ on: { kind: 'cdn' }, stallAfterBytes: 100_000, until: never }])
  const client = await scene.openBlob(repository, blob.digest)
  await client.readTo(100_000)
  await hub.down()
  await clock.pass(500)
  await clock.sleeping(1000)
  await hub.up()
  await clock.pass(1000)
  const { body, ending } = await client.readAll()
  assert.equal(ending, 'whole')
  assert.deepEqual(body, bytes)
})

test('a slow client is waited for, and waits for nobody', async () => {
  await using scene = await startCutScene()
  const rest = gate()
  scene.hub.script([{ on: { kind: 'cdn' }, stallAfterBytes: 200_000, until: rest.opened }])
  const slow = await scene.openBlob(repository, blob.digest)
  const quick = await scene.openBlob(repository, blob.digest)
  await quick.readTo(200_000)
  rest.open()
  assert.equal((await quick.readAll()).ending, 'whole')
  await scene.kept(repository, blob.digest)
  const { body, ending } = await slow.readAll()
  assert.equal(ending, 'whole')
  assert.deepEqual(body, bytes)
})
