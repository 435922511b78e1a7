// Upstream sends something else than the digest says. No client ever gets a complete wrong body, and nothing of it is kept.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import type { Fault } from '../support/hub/hub.ts'
import { memoryBlob, seededBytes } from '../support/images.ts'
import { outcomeOf } from '../support/pull.ts'
import { assertSound, keptBlobs } from '../support/store-tree.ts'
import { type Scene, startScene } from './scene.ts'

const repository = 'library/some'
const bytes = seededBytes('wrong', 300_000)
const blob = memoryBlob(bytes)
const zipped = gzipSync(bytes)

async function startWrongScene(fault: Fault): Promise<Scene> {
  const scene = await startScene()
  scene.hub.addBlob(repository, blob)
  scene.hub.script([{ on: { kind: 'cdn' }, ...fault }])
  return scene
}

const wrongs: readonly (readonly [string, Fault])[] = [
  ['one wrong byte in the middle', { wrongBytes: true }],
  ['a wrong first byte', { wrongBytes: 0 }],
  ['a wrong last byte', { wrongBytes: -1 }],
  ['fewer bytes, with the length to match', { truncateTo: 100_000 }],
  ['one byte less, with the length to match', { truncateTo: blob.size - 1 }],
  ['one byte alone', { truncateTo: 1 }],
  ['more bytes, with the length to match', { extraBytes: 10 }],
  ['a page for people', { html200: true }],
  ['gzip without saying so', { body: zipped }],
]
for (const [what, fault] of wrongs) {
  test(`${what}: every client is cut short, nothing is kept, the next pull is right`, async () => {
    await using scene = await startWrongScene(fault)
    const clients = [undefined, undefined, { range: 'bytes=0-' }, { range: 'bytes=10-' }]
    const replies = await Promise.all(
      clients.map((headers) => scene.blob(repository, blob.digest, headers === undefined ? {} : { headers })),
    )
    for (const reply of replies) {
      if (reply.status === 416) continue
      assert.equal(reply.ending, 'fin')
      const length = Number(reply.headers['content-length'])
      assert.ok(reply.body.length < length, `${reply.body.length} of ${length} bytes`)
    }
    await assertNothingKept(scene)
    assert.deepEqual(outcomeOf(await scene.blob(repository, blob.digest)), [200, 'miss', 'whole', blob.digest])
    await scene.kept(repository, blob.digest)
    await assertSound(scene.registry.folder)
  })
}

test('a body of no bytes for a blob that has some is refused, because it has no last byte to hold back', async () => {
  await using scene = await startWrongScene({ truncateTo: 0 })
  const reply = await scene.blob(repository, blob.digest)
  assert.equal(reply.status, 502)
  await assertNothingKept(scene)
  assert.deepEqual(outcomeOf(await scene.blob(repository, blob.digest)), [200, 'miss', 'whole', blob.digest])
})

test('a body of unknown length is answered once it is verified', async () => {
  await using scene = await startWrongScene({ noContentLength: true })
  const reply = await scene.blob(repository, blob.digest)
  assert.deepEqual(outcomeOf(reply), [200, 'miss', 'whole', blob.digest])
  assert.equal(reply.headers['content-length'], String(blob.size))
  assert.equal(scene.hub.count({ kind: 'cdn' }), 1)
  await scene.kept(repository, blob.digest)
})

test('a body of unknown length that is wrong is refused before its first byte', async () => {
  await using scene = await startWrongScene({ noContentLength: true, wrongBytes: true })
  assert.equal((await scene.blob(repository, blob.digest)).status, 502)
  await assertNothingKept(scene)
})

test('what a CDN has compressed although nobody asked for it is unpacked and verified', async () => {
  await using scene = await startWrongScene({ body: zipped, headers: { 'Content-Encoding': 'gzip' } })
  const reply = await scene.blob(repository, blob.digest)
  assert.deepEqual(outcomeOf(reply), [200, 'miss', 'whole', blob.digest])
  assert.equal(reply.headers['content-encoding'], undefined)
  await scene.kept(repository, blob.digest)
})

test('a compressed body that breaks off is resumed without compression', async () => {
  await using scene = await startWrongScene({ body: zipped, headers: { 'Content-Encoding': 'gzip' }, cutAfterBytes: 200_000 })
  assert.deepEqual(outcomeOf(await scene.blob(repository, blob.digest)), [200, 'miss', 'whole', blob.digest])
})

test('a CDN that compresses for those who accept it is told not to', async () => {
  await using scene = await startScene({ hub: { cdnGzip: true } })
  scene.hub.addBlob(repository, blob)
  assert.deepEqual(outcomeOf(await scene.blob(repository, blob.digest)), [200, 'miss', 'whole', blob.digest])
  assert.equal(scene.hub.bytesSent({ kind: 'cdn' }), blob.size)
  for (const { headers } of scene.hub.ledger)
    if (headers['accept-encoding'] !== undefined) assert.equal(headers['accept-encoding'], 'identity')
})

async function assertNothingKept({ registry }: Scene): Promise<void> {
  assert.deepEqual(await keptBlobs(registry.folder), [])
  await assertSound(registry.folder)
  assert.match(registry.log.join(''), /level=error msg="a blob could not be fetched"/)
}
