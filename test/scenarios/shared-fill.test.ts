// One transfer of a blob, however many clients, whenever they come, whatever they want of it, whoever leaves.
import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { TestClock } from '../support/clock.ts'
import { bigBlob, type BlobSource, digestOf, memoryBlob, ociImage, seededBytes } from '../support/images.ts'
import { errorCodeOf, outcomeOf } from '../support/pull.ts'
import { assertSound } from '../support/store-tree.ts'
import { bytesOf, gate, startScene } from './scene.ts'

const repository = 'library/some'
const mebibyte = 1024 * 1024
const blob = memoryBlob(seededBytes('shared', 2 * mebibyte))
let big: BlobSource
let bigBytes: Buffer

before(async () => {
  big = await bigBlob({ seed: 'shared', size: 20 * mebibyte })
  bigBytes = await bytesOf(big)
})

test('twenty clients stream from one transfer while it runs', async () => {
  await using scene = await startScene()
  const { hub } = scene
  hub.addBlob(repository, blob)
  const rest = gate()
  hub.script([{ on: { kind: 'cdn' }, stallAfterBytes: mebibyte, until: rest.opened }])

  const first = await scene.openBlob(repository, blob.digest)
  const others = await Promise.all(Array.from({ length: 19 }, () => scene.openBlob(repository, blob.digest)))
  const clients = [first, ...others]
  // Half of the blob is with everybody while the other half has not been sent.
  for (const client of clients) assert.equal((await client.readTo(mebibyte)).length, mebibyte)
  rest.open()
  const ends = await Promise.all(clients.map((client) => client.readAll()))

  for (const { body, ending } of ends) assert.deepEqual([ending, digestOf(body)], ['whole', blob.digest])
  assert.equal(first.headers['x-cache'], 'miss')
  for (const other of others) assert.equal(other.headers['x-cache'], 'filling')
  assert.equal(hub.count({ kind: 'cdn' }), 1)
  assert.equal(hub.bytesSent({ kind: 'cdn' }), blob.size)
  await scene.kept(repository, blob.digest)
  await assertSound(scene.registry.folder)
})

test('a late joiner begins at once with what is there', async () => {
  await using scene = await startScene()
  const { hub } = scene
  hub.addBlob(repository, blob)
  const rest = gate()
  hub.script([{ on: { kind: 'cdn' }, stallAfterBytes: mebibyte, until: rest.opened }])
  const first = await scene.openBlob(repository, blob.digest)
  await first.readTo(mebibyte)

  const late = await scene.openBlob(repository, blob.digest)
  assert.equal((await late.readTo(mebibyte)).length, mebibyte)
  rest.open()
  assert.equal(digestOf((await late.readAll()).body), blob.digest)
  assert.equal(digestOf((await first.readAll()).body), blob.digest)
  assert.equal(hub.count({ kind: 'cdn' }), 1)
})

test('a range that the fill has passed, and one that it will reach soon, come from the fill', async () => {
  await using scene = await startScene()
  const { hub } = scene
  hub.addBlob(repository, blob)
  const rest = gate()
  hub.script([{ on: { kind: 'cdn' }, stallAfterBytes: mebibyte, until: rest.opened }])
  const whole = await scene.openBlob(repository, blob.digest)
  await whole.readTo(mebibyte)
  const bytes = await bytesOf(blob)

  const passed = await scene.blob(repository, blob.digest, { headers: { range: 'bytes=1000-1999' } })
  assert.deepEqual([passed.status, passed.headers['content-range']], [206, `bytes 1000-1999/${blob.size}`])
  assert.deepEqual(passed.body, bytes.subarray(1000, 2000))
  const ahead = await scene.openBlob(repository, blob.digest, { headers: { range: `bytes=${mebibyte + 5}-` } })
  assert.deepEqual([ahead.status, ahead.headers['x-cache']], [206, 'filling'])
  rest.open()
  assert.deepEqual((await ahead.readAll()).body, bytes.subarray(mebibyte + 5))
  await whole.readAll()
  assert.equal(hub.count({ kind: 'cdn' }), 1)
})

test('a cold blob of which only a range is asked for is brought in whole by one transfer', async () => {
  await using scene = await startScene()
  const { hub } = scene
  hub.addBlob(repository, blob)
  const reply = await scene.blob(repository, blob.digest, { headers: { range: 'bytes=-10' } })
  assert.deepEqual([reply.status, reply.headers['x-cache']], [206, 'miss'])
  assert.deepEqual(reply.body, (await bytesOf(blob)).subarray(-10))
  await scene.kept(repository, blob.digest)
  assert.equal(hub.count({ kind: 'cdn' }), 1)
})

test('a range far ahead of a slow fill is answered at once by a read of its own', async () => {
  await using scene = await startScene()
  const { hub } = scene
  hub.addBlob(repository, big)
  const rest = gate()
  hub.script([{ on: { kind: 'cdn', range: false }, stallAfterBytes: mebibyte, until: rest.opened }])
  const whole = await scene.openBlob(repository, big.digest)
  await whole.readTo(mebibyte)

  const [from, to] = [12 * mebibyte, 12 * mebibyte + 999]
  const far = await scene.blob(repository, big.digest, { headers: { range: `bytes=${from}-${to}` } })
  assert.deepEqual([far.status, far.ending], [206, 'whole'])
  assert.deepEqual(far.body, bigBytes.subarray(from, to + 1))
  const tail = await scene.blob(repository, big.digest, { headers: { range: 'bytes=-100' } })
  assert.deepEqual(tail.body, bigBytes.subarray(-100))
  assert.equal(whole.received.length < 2 * mebibyte, true, 'the fill stands still meanwhile')

  rest.open()
  assert.equal(digestOf((await whole.readAll()).body), big.digest)
  const [, ...ranged] = hub.find({ kind: 'cdn' }).map(({ headers }) => headers.range)
  assert.deepEqual(ranged, [`bytes=${from}-${to}`, `bytes=${big.size - 100}-`])
  await scene.kept(repository, big.digest)
})

test('a far range that is long goes on from the fill, and its last byte waits for the verdict', async () => {
  const clock = new TestClock()
  await using scene = await startScene({ clock })
  const { hub } = scene
  hub.addBlob(repository, big)
  const rest = gate()
  hub.script([{ on: { kind: 'cdn', range: false }, stallAfterBytes: mebibyte, until: rest.opened }])
  const whole = await scene.openBlob(repository, big.digest)
  await whole.readTo(mebibyte)
  const from = 8 * mebibyte
  const far = await scene.openBlob(repository, big.digest, { headers: { range: `bytes=${from}-` } })
  // First it waits for the fill, which stands still.
  await clock.pass(10_000)
  const wanted = big.size - from
  assert.equal((await far.readTo(wanted - 1)).length, wanted - 1)
  rest.open()
  const { body, ending } = await far.readAll()
  assert.deepEqual([ending, digestOf(body)], ['whole', digestOf(bigBytes.subarray(from))])
  await whole.readAll()
})

test('long ranges ahead of a fill that comes forward wait for it, as those of clients whose replica has died', async () => {
  await using scene = await startScene({ clock: new TestClock() })
  const { hub } = scene
  hub.addBlob(repository, big)
  const rest = gate()
  hub.script([{ on: { kind: 'cdn' }, stallAfterBytes: mebibyte, until: rest.opened }])
  const whole = await scene.openBlob(repository, big.digest)
  await whole.readTo(mebibyte)
  const starts = [8, 9, 10].map((at) => at * mebibyte)
  const ahead = await Promise.all(starts.map((start) => scene.openBlob(repository, big.digest, { headers: { range: `bytes=${start}-` } })))
  await scene.arrived()
  rest.open()
  const answers = await Promise.all([whole, ...ahead].map((each) => each.readAll()))
  assert.deepEqual(
    answers.map(({ body }) => digestOf(body)),
    [0, ...starts].map((start) => digestOf(bigBytes.subarray(start))),
  )
  assert.equal(hub.bytesSent({ kind: 'cdn' }), big.size)
})

test('one who leaves costs nothing', async () => {
  await using scene = await startScene()
  const { hub } = scene
  hub.addBlob(repository, blob)
  const rest = gate()
  hub.script([{ on: { kind: 'cdn' }, stallAfterBytes: mebibyte, until: rest.opened }])
  const leaver = await scene.openBlob(repository, blob.digest)
  const stayer = await scene.openBlob(repository, blob.digest)
  await leaver.readTo(1000)
  leaver.leave()
  await stayer.readTo(mebibyte)
  rest.open()
  assert.deepEqual([digestOf((await stayer.readAll()).body), hub.count({ kind: 'cdn' })], [blob.digest, 1])
})

test('when all have left, the blob is brought in nevertheless', async () => {
  await using scene = await startScene()
  const { hub } = scene
  hub.addBlob(repository, blob)
  const rest = gate()
  hub.script([{ on: { kind: 'cdn' }, stallAfterBytes: mebibyte, until: rest.opened }])
  const clients = await Promise.all(Array.from({ length: 3 }, () => scene.openBlob(repository, blob.digest)))
  for (const client of clients) {
    await client.readTo(100)
    client.leave()
  }
  rest.open()
  await scene.kept(repository, blob.digest)
  assert.deepEqual(outcomeOf(await scene.blob(repository, blob.digest)), [200, 'hit', 'whole', blob.digest])
  assert.equal(hub.count({ kind: 'cdn' }), 1)
})

test('fifty clients at once cost one HEAD, one GET and one transfer', async () => {
  await using scene = await startScene({ proxy: { tags: { ttl: '1m' } } })
  const { hub } = scene
  const image = ociImage({ seed: 'fifty' })
  hub.add('some', image, { tags: ['1'] })
  const [heads, gets] = [gate(), gate()]
  hub.script([
    { on: { kind: 'manifest', method: 'HEAD' }, holdUntil: heads.opened },
    { on: { kind: 'manifest', method: 'GET' }, holdUntil: gets.opened },
  ])
  const byTag = Array.from({ length: 50 }, () => scene.manifest(repository, '1'))
  await scene.arrived()
  heads.open()
  await hub.seen({ kind: 'manifest', method: 'GET' })
  const byDigest = Array.from({ length: 50 }, () => scene.manifest(repository, image.manifest.digest))
  await scene.arrived()
  gets.open()
  for (const reply of await Promise.all([...byTag, ...byDigest])) {
    assert.deepEqual([reply.status, digestOf(reply.body)], [200, image.manifest.digest])
  }
  const blobs = await Promise.all(Array.from({ length: 50 }, () => scene.blob(repository, [...image.blobs.keys()][1] ?? '')))
  for (const reply of blobs) assert.equal(reply.ending, 'whole')

  assert.equal(hub.count({ kind: 'manifest', method: 'HEAD' }), 2, 'one without a token, one with it')
  assert.equal(hub.count({ kind: 'manifest', method: 'GET' }), 1)
  assert.equal(hub.count({ kind: 'cdn' }), 1)
  assert.equal(hub.tokens().length, 1)
})

test('a failure is everybody’s who waited, and the next one asks anew', async () => {
  await using scene = await startScene()
  const { hub } = scene
  hub.addBlob(repository, blob)
  const answer = gate()
  hub.script([{ on: { kind: 'cdn' }, holdUntil: answer.opened, status: 503 }])
  const waiting = Array.from({ length: 10 }, () => scene.blob(repository, blob.digest))
  await hub.seen({ kind: 'cdn' })
  await scene.arrived()
  answer.open()
  for (const reply of await Promise.all(waiting)) assert.deepEqual([reply.status, errorCodeOf(reply)], [503, 'UNAVAILABLE'])
  assert.equal(hub.count({ kind: 'cdn' }), 1)
  assert.deepEqual(outcomeOf(await scene.blob(repository, blob.digest)), [200, 'miss', 'whole', blob.digest])
  await scene.kept(repository, blob.digest)
  await assertSound(scene.registry.folder)
})
