// Tags that may be a little old: served at once, and asked for in the background. Which tags these are, rules say.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TestClock } from '../support/clock.ts'
import { ociImage } from '../support/images.ts'
import { until } from '../support/until.ts'
import { gate, startScene } from './scene.ts'

const repository = 'library/some'
const one = ociImage({ seed: 'one' })
const two = ociImage({ seed: 'two' })

async function startBackgroundScene(tags: object) {
  const clock = new TestClock()
  const scene = await startScene({ clock, hub: { auth: 'none' }, proxy: { tags } })
  scene.hub.add(repository, one, { tags: ['1', 'latest'] })
  scene.hub.add(repository, two)
  const told = async (tag = '1') => {
    const { headers } = await scene.manifest(repository, tag)
    return [headers['x-cache'], headers['docker-content-digest']]
  }
  return Object.assign(scene, { clock, told })
}

const policy = { ttl: '1m', stalewhilerevalidate: '1h' }

test('past its time to live a tag is served at once while the question hangs, and is the new one afterwards', async () => {
  await using scene = await startBackgroundScene(policy)
  const { hub, clock, told } = scene
  await told()
  hub.moveTag(repository, '1', two.manifest.digest)
  clock.advance(60_000)
  hub.clearLedger()
  const answer = gate()
  hub.script([{ on: { method: 'HEAD' }, holdUntil: answer.opened }])
  for (let n = 0; n < 20; n += 1) assert.deepEqual(await told(), ['hit', one.manifest.digest])
  await hub.seen({ method: 'HEAD' })
  assert.equal(hub.ledger.length, 1, 'one question for all')
  answer.open()
  await until('the tag has moved', async () => (await told())[1] === two.manifest.digest)
  assert.equal(hub.count({ kind: 'manifest', method: 'GET' }), 1)
  assert.equal(hub.count({ kind: 'manifest', method: 'HEAD' }), 1)
})

test('a refresh that fails is nobody’s trouble; past both times the tag is asked for before it is served', async () => {
  await using scene = await startBackgroundScene(policy)
  const { hub, clock, told } = scene
  await told()
  clock.advance(60_000)
  hub.script([{ on: { kind: 'manifest' }, status: 500 }])
  assert.deepEqual(await told(), ['hit', one.manifest.digest])
  await until('it was asked', () => hub.unusedRules().length === 0)
  hub.moveTag(repository, '1', two.manifest.digest)
  clock.advance(3_600_000)
  assert.deepEqual(await told(), ['miss', two.manifest.digest])
})

test('of the rules the first that matches wins, and the rest of its policy is the general one', async () => {
  await using scene = await startBackgroundScene({
    ttl: '10s',
    rules: [
      { match: 'library/*:latest', ttl: '1m' },
      { match: 'library/**', ttl: '1h' },
      { match: '**', ttl: '0s' },
    ],
  })
  const { hub, clock, told } = scene
  hub.add('me/app', one, { tags: ['1'] })
  await told()
  await told('latest')
  await scene.manifest('me/app', '1')
  assert.equal((await scene.manifest('me/app', '1')).headers['x-cache'], 'revalidated')
  clock.advance(59_000)
  assert.equal((await told('latest'))[0], 'hit')
  clock.advance(1_000)
  assert.equal((await told('latest'))[0], 'revalidated')
  assert.equal((await told())[0], 'hit')
  clock.advance(3_600_000)
  assert.equal((await told())[0], 'revalidated')
})

test('staleiferror bounds how old a tag may be that stands in, for each tag by its rule', async () => {
  await using scene = await startBackgroundScene({ staleiferror: '1h', rules: [{ match: '**:latest', staleiferror: '1m' }] })
  const { hub, clock, told } = scene
  await told()
  await told('latest')
  await hub.down()
  clock.advance(59_000)
  assert.deepEqual([(await told())[0], (await told('latest'))[0]], ['stale', 'stale'])
  clock.advance(1_000)
  assert.equal((await scene.manifest(repository, 'latest')).status, 502)
  assert.equal((await told())[0], 'stale')
  clock.advance(3_540_000)
  assert.ok((await scene.manifest(repository, '1')).status >= 502)
})
