// Circuit breakers as clients meet them: an origin that is away costs nobody time, and one request finds out that it is back.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { JumpingClock } from '../support/clock.ts'
import { ociImage } from '../support/images.ts'
import { errorCodeOf, type Reply } from '../support/pull.ts'
import { gate, layerIn, type Scene, startScene } from './scene.ts'

const cached = ociImage({ seed: 'cached' })
const colds = Array.from({ length: 60 }, (_, n) => ({ repository: `library/cold${n}`, image: ociImage({ seed: `cold ${n}` }) }))
const always = Number.POSITIVE_INFINITY
const failuresToOpen = 5
const longestPauseMs = 5_000
/** For a machine that does other things, too. What is not waited for at all comes in a fraction of it. */
const soonMs = 500

async function startBreakerScene(hub: object = {}) {
  const clock = new JumpingClock()
  // Without the header, each request of the client below has the registry's trouble, not a token's.
  const scene = await startScene({ clock, hub: { auth: 'none', ...hub }, proxy: { responseheadertimeout: '10s' } })
  scene.hub.add('library/cached', cached, { tags: ['1'] })
  for (const { repository, image } of colds) scene.hub.add(repository, image, { tags: ['1'] })
  await scene.manifest('library/cached', '1')
  return Object.assign(scene, { clock })
}

function coldAt(index: number): (typeof colds)[number] {
  const cold = colds[index]
  if (cold === undefined) throw new Error(`there are ${colds.length} images`)
  return cold
}

const pullCold = (scene: Scene, index: number) => scene.manifest(coldAt(index).repository, '1')
const pullBlob = (scene: Scene, index: number) => scene.blob(coldAt(index).repository, layerIn(coldAt(index).image).digest)

async function failUntilOpen(scene: Scene): Promise<void> {
  for (let n = 0; n < failuresToOpen; n += 1) assert.equal((await pullCold(scene, n)).status, 502, `failure ${n}`)
}

function assertRefusedSoon(reply: Reply, tookMs: number): void {
  assert.deepEqual([reply.status, errorCodeOf(reply)], [503, 'UNAVAILABLE'])
  assert.match(reply.headers['retry-after'] ?? '', /^[1-5]$/)
  assert.ok(tookMs < soonMs, `${tookMs} ms`)
}

test('after failures in a row cold pulls are refused at once, and a cached tag is stale at once, without a question', async () => {
  await using scene = await startBreakerScene()
  const { hub, clock } = scene
  hub.script([{ on: { at: 'registry' }, status: 500, times: always }])
  await failUntilOpen(scene)
  hub.clearScript()
  hub.script([{ on: { at: 'registry' }, hang: true, times: always }])
  hub.clearLedger()
  for (const index of [10, 11, 12]) {
    const before = performance.now()
    const reply = await pullCold(scene, index)
    assertRefusedSoon(reply, performance.now() - before)
  }
  const before = performance.now()
  const stale = await scene.manifest('library/cached', '1')
  assert.deepEqual([stale.status, stale.headers['x-cache']], [200, 'stale'])
  assert.equal(stale.headers['warning'], '111 entrepot "upstream is unavailable"')
  assert.ok(performance.now() - before < soonMs)
  assert.equal(hub.ledger.length, 0)
  hub.clearScript()
  clock.jump(longestPauseMs)
  assert.equal((await scene.manifest('library/cached', '1')).headers['x-cache'], 'revalidated')
  assert.equal((await pullCold(scene, 10)).status, 200)
})

test('of fifty pulls at one time after the pause one is the probe; the others do not wait for it', async () => {
  await using scene = await startBreakerScene()
  const { hub, clock } = scene
  hub.script([{ on: { at: 'registry' }, status: 500, times: failuresToOpen }])
  await failUntilOpen(scene)
  const answer = gate()
  hub.script([{ on: { at: 'registry' }, holdUntil: answer.opened, times: 1 }])
  hub.clearLedger()
  clock.jump(longestPauseMs)
  const replies: Reply[] = []
  const pulls = Array.from({ length: 50 }, async (_, n) => replies.push(await pullCold(scene, n)))
  await hub.seen({ at: 'registry' })
  await Promise.race([Promise.all(pulls), scene.arrived()])
  const pullsInTheProbesTime = await scene.manifest('library/cached', '1')
  assert.equal(pullsInTheProbesTime.headers['x-cache'], 'stale')
  assert.equal(hub.count({ at: 'registry' }), 1, hub.describeLedger())
  answer.open()
  await Promise.all(pulls)
  assert.equal(replies.filter(({ status }) => status === 200).length, 1)
  for (const reply of replies.filter(({ status }) => status !== 200)) assertRefusedSoon(reply, 0)
  assert.equal((await pullCold(scene, 55)).status, 200, 'one probe closes it')
})

test('a probe that fails keeps the others away, and each recovery is found within five seconds', async () => {
  await using scene = await startBreakerScene()
  const { hub, clock } = scene
  hub.script([{ on: { at: 'registry' }, status: 502, times: always }])
  await failUntilOpen(scene)
  for (let n = 0; n < 6; n += 1) {
    clock.jump(longestPauseMs)
    hub.clearLedger()
    assert.equal((await pullCold(scene, 20)).status, 502, 'the probe')
    assert.equal((await pullCold(scene, 21)).status, 503)
    assert.equal(hub.ledger.length, 1)
  }
  hub.clearScript()
  clock.jump(longestPauseMs)
  assert.equal((await pullCold(scene, 20)).status, 200)
})

test('a CDN that is away does not keep anybody from the other one, nor from the registry', async () => {
  await using scene = await startBreakerScene({ cdn: 'cdn-a' })
  const { hub, clock } = scene
  await hub.down('cdn-a')
  for (let n = 0; n < 4; n += 1) assert.notEqual((await pullBlob(scene, n)).status, 200)
  hub.clearLedger()
  const before = performance.now()
  assertRefusedSoon(await pullBlob(scene, 10), performance.now() - before)
  assert.equal((await pullCold(scene, 10)).status, 200, 'manifests come')
  hub.settings.cdn = 'cdn-b'
  assert.equal((await pullBlob(scene, 11)).status, 200, 'the other CDN works')
  hub.settings.cdn = 'cdn-a'
  await hub.up('cdn-a')
  clock.jump(longestPauseMs)
  assert.equal((await pullBlob(scene, 12)).status, 200)
})

test('a token server that is away stops what needs a token, and nothing else', async () => {
  await using scene = await startBreakerScene({ auth: 'bearer' })
  const { hub, clock } = scene
  await pullCold(scene, 30)
  await hub.down('auth')
  await failUntilOpen(scene)
  const before = performance.now()
  assertRefusedSoon(await pullCold(scene, 10), performance.now() - before)
  const known = await scene.manifest(coldAt(30).repository, '1')
  assert.equal(known.headers['x-cache'], 'revalidated', 'a token that is here is good')
  await hub.up('auth')
  clock.jump(longestPauseMs)
  assert.equal((await pullCold(scene, 10)).status, 200)
})
