// What a tag points at: asked by HEAD, one question at a time, and never out of date for longer than the policy says.
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { TestClock } from '../support/clock.ts'
import { digestOf, ociImage } from '../support/images.ts'
import { type Hub, startHub } from '../support/hub/hub.ts'
import { errorCodeOf, outcomeOf } from '../support/pull.ts'
import { startRegistry } from '../support/registry.ts'
import { gate, questionsTo, type SceneOptions, startScene } from './scene.ts'

const repository = 'library/some'
const one = ociImage({ seed: 'one' })
const two = ociImage({ seed: 'two' })
const of = (image: typeof one, verdict: string) => [200, verdict, 'whole', image.manifest.digest]

/** Methods of the manifest questions since the ledger was cleared. */
function asked(hub: Hub): string[] {
  return hub.find({ kind: 'manifest', status: [200, 404] }).map(({ method }) => method)
}

/** Without the memory of negative answers: negative-answers.test.ts is about that. */
async function startTagScene({ proxy = {}, ...options }: SceneOptions = {}) {
  const scene = await startScene({ ...options, proxy: Object.assign({ negativettl: '0s' }, proxy) })
  scene.hub.add(repository, one, { tags: ['1'] })
  scene.hub.add(repository, two)
  return scene
}

test('an unchanged tag is revalidated by HEAD alone, which costs no pulls', async () => {
  await using scene = await startTagScene()
  const { hub } = scene
  assert.deepEqual(outcomeOf(await scene.manifest(repository, '1')), of(one, 'miss'))
  hub.clearLedger()
  for (let turn = 0; turn < 5; turn += 1) assert.deepEqual(outcomeOf(await scene.manifest(repository, '1')), of(one, 'revalidated'))
  assert.deepEqual(asked(hub), Array(5).fill('HEAD'))
  assert.equal(hub.quotaUsed(), 1)
  assert.equal(hub.tokens().length, 0)
})

test('HEAD and GET of a tag say the same', async () => {
  await using scene = await startTagScene()
  await scene.manifest(repository, '1')
  const head = await scene.manifest(repository, '1', { method: 'HEAD' })
  const get = await scene.manifest(repository, '1')
  for (const name of ['content-type', 'content-length', 'docker-content-digest', 'etag', 'x-cache']) {
    assert.equal(head.headers[name], get.headers[name], name)
  }
})

test('within its time to live a tag is a hit, after it a question', async () => {
  const clock = new TestClock()
  await using scene = await startTagScene({ clock, proxy: { tags: { ttl: '1m' } } })
  const { hub } = scene
  await scene.manifest(repository, '1')
  hub.clearLedger()
  hub.moveTag(repository, '1', two.manifest.digest)
  clock.advance(59_999)
  assert.deepEqual(outcomeOf(await scene.manifest(repository, '1')), of(one, 'hit'))
  assert.deepEqual(asked(hub), [])
  clock.advance(1)
  assert.deepEqual(outcomeOf(await scene.manifest(repository, '1')), of(two, 'miss'))
  assert.deepEqual(asked(hub), ['HEAD', 'GET'])
  assert.deepEqual(outcomeOf(await scene.manifest(repository, '1')), of(two, 'hit'))
})

test('a moved tag is followed, and moved back costs no further pull', async () => {
  await using scene = await startTagScene()
  const { hub } = scene
  await scene.manifest(repository, '1')
  hub.moveTag(repository, '1', two.manifest.digest)
  assert.deepEqual(outcomeOf(await scene.manifest(repository, '1')), of(two, 'miss'))
  hub.moveTag(repository, '1', one.manifest.digest)
  hub.clearLedger()
  const back = await scene.manifest(repository, '1')
  assert.equal(digestOf(back.body), one.manifest.digest)
  assert.deepEqual(asked(hub), ['HEAD'])
  assert.equal(hub.quotaUsed(), 2)
})

test('a tag that moves between HEAD and GET is served as HEAD said', async () => {
  await using scene = await startTagScene()
  const { hub } = scene
  hub.moveTagAfterHead(repository, '1', two.manifest.digest)
  assert.deepEqual(outcomeOf(await scene.manifest(repository, '1')), of(one, 'miss'))
  assert.deepEqual(outcomeOf(await scene.manifest(repository, '1')), of(two, 'miss'))
})

test('a tag that moves between HEAD and GET, its old manifest gone, is served as it is now, by one GET that is kept', async () => {
  await using scene = await startTagScene({ hub: { auth: 'none' } })
  const { hub } = scene
  const heads = gate()
  hub.script([{ on: { kind: 'manifest', method: 'GET' }, holdUntil: heads.opened }])
  const pulls = Array.from({ length: 5 }, () => scene.manifest(repository, '1'))
  await hub.seen({ kind: 'manifest', method: 'GET' })
  await scene.arrived()
  hub.moveTag(repository, '1', two.manifest.digest)
  hub.deleteManifest(repository, one.manifest.digest)
  heads.open()
  for (const reply of await Promise.all(pulls)) assert.deepEqual(outcomeOf(reply), of(two, 'miss'))
  assert.deepEqual(asked(hub), ['HEAD', 'GET', 'GET'], 'by the old digest, then by the tag')
  hub.clearLedger()
  assert.deepEqual(outcomeOf(await scene.manifest(repository, '1')), of(two, 'revalidated'))
  await hub.down()
  assert.deepEqual(outcomeOf(await scene.manifest(repository, '1')), of(two, 'stale'))
})

test('a deleted tag is gone, also while upstream is away later, and comes back with upstream’s', async () => {
  await using scene = await startTagScene()
  const { hub } = scene
  await scene.manifest(repository, '1')
  hub.deleteTag(repository, '1')
  const gone = await scene.manifest(repository, '1')
  assert.deepEqual([gone.status, errorCodeOf(gone)], [404, 'MANIFEST_UNKNOWN'])
  assert.equal((await scene.manifest(repository, one.manifest.digest)).headers['x-cache'], 'hit', 'its manifest stays')
  await hub.down()
  assert.equal((await scene.manifest(repository, '1')).status, 502)
  await hub.up()
  hub.moveTag(repository, '1', one.manifest.digest)
  assert.equal((await scene.manifest(repository, '1')).status, 200)
  await hub.down()
  assert.deepEqual(outcomeOf(await scene.manifest(repository, '1')), of(one, 'stale'))
})

test('a tag that never was is 404, each time asked by one HEAD', async () => {
  await using scene = await startTagScene()
  const { hub } = scene
  for (const method of ['HEAD', 'GET'] as const) assert.equal((await scene.manifest(repository, 'none', { method })).status, 404)
  assert.deepEqual(asked(hub), ['HEAD', 'HEAD'])
})

for (const status of [405, 401] as const) {
  test(`an upstream that answers HEAD with ${status} is asked by GET, and its manifest is kept`, async () => {
    await using scene = await startTagScene({ hub: { headRefused: status } })
    const { hub } = scene
    assert.deepEqual(outcomeOf(await scene.manifest(repository, '1')), of(one, 'miss'))
    assert.equal(hub.count({ kind: 'manifest', method: 'GET', status: 200 }), 1)
    assert.deepEqual(outcomeOf(await scene.manifest(repository, '1')), of(one, 'revalidated'))
    hub.moveTag(repository, '1', two.manifest.digest)
    assert.deepEqual(outcomeOf(await scene.manifest(repository, '1')), of(two, 'miss'))
    await hub.down()
    assert.deepEqual(outcomeOf(await scene.manifest(repository, '1')), of(two, 'stale'))
    assert.deepEqual(outcomeOf(await scene.manifest(repository, two.manifest.digest)), of(two, 'hit'))
  })
}

test('one question at a time per tag, and its failure is everybody’s', async () => {
  await using scene = await startTagScene({ hub: { auth: 'none' } })
  const { hub } = scene
  const answer = gate()
  hub.script([{ on: { kind: 'manifest' }, holdUntil: answer.opened, status: 503 }])
  const pulls = Array.from({ length: 10 }, (_, turn) => scene.manifest(repository, '1', { method: turn % 2 === 0 ? 'GET' : 'HEAD' }))
  await hub.seen({ kind: 'manifest' })
  await scene.arrived()
  answer.open()
  for (const reply of await Promise.all(pulls)) assert.equal(reply.status, 503)
  assert.equal(hub.count({ kind: 'manifest' }), 1)
  assert.deepEqual(outcomeOf(await scene.manifest(repository, '1')), of(one, 'miss'))
})

test('one who leaves in the middle of a question does not end it for others', async () => {
  await using scene = await startTagScene({ hub: { auth: 'none' } })
  const { hub, registry } = scene
  const answer = gate()
  hub.script([{ on: { kind: 'manifest', method: 'HEAD' }, holdUntil: answer.opened }])
  const leaver = new AbortController()
  const left = fetch(`${registry.url}/v2/${repository}/manifests/1`, { signal: leaver.signal })
  await hub.seen({ kind: 'manifest' })
  const stayer = scene.manifest(repository, '1')
  await scene.arrived()
  leaver.abort()
  await assert.rejects(left)
  answer.open()
  assert.deepEqual(outcomeOf(await stayer), of(one, 'miss'))
  assert.equal(hub.count({ kind: 'manifest', method: 'HEAD' }), 1)
})

test('a tag seen by HEAD only, then moved on, is not pointed back by a pull of the digest between', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'entrepot-test-'))
  await using hub = await startHub()
  try {
    hub.add(repository, one, { tags: ['1'] })
    hub.add(repository, two)
    {
      await using registry = await startRegistry({ upstream: hub.url, folder })
      const { manifest } = questionsTo(() => registry)
      await manifest(repository, '1')
      for (const { digest } of [two.manifest, one.manifest]) {
        hub.moveTag(repository, '1', digest)
        await manifest(repository, '1', { method: 'HEAD' })
      }
      await manifest(repository, two.manifest.digest)
    }
    await hub.down()
    await using registry = await startRegistry({ upstream: hub.url, folder })
    assert.deepEqual(outcomeOf(await questionsTo(() => registry).manifest(repository, '1')), of(one, 'stale'))
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})
