// What a pull costs, and what happens when nothing is left of the Hub's quota.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TestClock } from '../support/clock.ts'
import { abuse429 } from '../support/hub/hub.ts'
import { type Image, ociImage } from '../support/images.ts'
import { errorCodeOf } from '../support/pull.ts'
import { until } from '../support/until.ts'
import { startScene } from './scene.ts'

const repositories = Array.from({ length: 6 }, (_, n) => `library/q${n}`)
const [first = '', second = ''] = repositories
const windowSeconds = 3600
let seeds = 0

async function startQuotaScene({ limit, reserve = 0, tags = {} }: { limit: number; reserve?: number; tags?: object }) {
  const clock = new TestClock()
  const proxy = { quota: { reserve }, tags }
  // Without tokens, whose life is shorter than the pauses here.
  const scene = await startScene({ clock, proxy, hub: { auth: 'none', quota: { limit, windowSeconds } } })
  const { hub } = scene
  const publish = (repository: string): Image => {
    seeds += 1
    const image = ociImage({ seed: `quota ${seeds}` })
    hub.add(repository, image, { tags: ['1'] })
    return image
  }
  const advance = (seconds: number) => {
    clock.advance(seconds * 1000)
    hub.advance(seconds)
  }
  const verdict = async (repository: string, method: 'GET' | 'HEAD' = 'GET') => {
    const reply = await scene.manifest(repository, '1', { method })
    return [reply.status, reply.headers['x-cache']]
  }
  return Object.assign(scene, { publish, advance, verdict })
}

test('the pull limit: what is here is served without a question until the pause is over, also when the tag has moved', async () => {
  await using scene = await startQuotaScene({ limit: 2 })
  const { hub, publish, advance, verdict } = scene
  for (const repository of repositories) publish(repository)
  await scene.manifest(first, '1')
  await scene.manifest(second, '1')
  const moved = publish(first)
  const cold = await scene.manifest('library/q3', '1')
  assert.deepEqual([cold.status, errorCodeOf(cold)], [429, 'TOOMANYREQUESTS'])
  hub.clearLedger()
  for (const method of ['HEAD', 'GET'] as const) {
    assert.deepEqual(await verdict(first, method), [200, 'stale'])
    assert.deepEqual(await verdict(second, method), [200, 'stale'])
  }
  assert.equal(hub.ledger.length, 0, 'nothing that is here asks')
  assert.equal((await scene.manifest('library/q4', '1')).status, 429, 'what is not here asks')
  advance(windowSeconds)
  const fresh = await scene.manifest(first, '1')
  assert.deepEqual([fresh.status, fresh.headers['docker-content-digest']], [200, moved.manifest.digest])
  assert.deepEqual(await verdict(second), [200, 'revalidated'])
})

test('with the last pull spent nobody is told of a manifest that he cannot get', async () => {
  await using scene = await startQuotaScene({ limit: 1 })
  const { publish, verdict, hub } = scene
  const old = publish(first)
  await scene.manifest(first, '1')
  publish(first)
  const head = await scene.manifest(first, '1', { method: 'HEAD' })
  assert.deepEqual([head.headers['x-cache'], head.headers['docker-content-digest']], ['stale', old.manifest.digest])
  assert.deepEqual(await verdict(first), [200, 'stale'])
  assert.equal(hub.count({ kind: 'manifest', status: 429 }), 0)
})

test('a pause ends early when a pull of something else finds the limit gone', async () => {
  await using scene = await startQuotaScene({ limit: 100 })
  const { hub, publish, verdict, advance } = scene
  for (const repository of repositories) publish(repository)
  await scene.manifest(first, '1')
  hub.script([{ on: { at: 'registry' }, ...abuse429 }])
  assert.deepEqual(await verdict(first), [200, 'stale'])
  advance(1)
  assert.deepEqual(await verdict(first), [200, 'stale'])
  assert.deepEqual(await verdict(second), [200, 'miss'])
  assert.deepEqual(await verdict(first), [200, 'revalidated'])
})

test('Retry-After is the length of the pause', async () => {
  await using scene = await startQuotaScene({ limit: 100 })
  const { hub, publish, verdict, advance } = scene
  publish(first)
  await scene.manifest(first, '1')
  hub.script([{ on: { at: 'registry' }, ...abuse429, retryAfterSeconds: 7 }])
  assert.deepEqual(await verdict(first), [200, 'stale'])
  hub.clearLedger()
  advance(6)
  assert.deepEqual(await verdict(first), [200, 'stale'])
  assert.equal(hub.ledger.length, 0)
  advance(1)
  assert.deepEqual(await verdict(first), [200, 'revalidated'])
})

test('at the reserve background work stops, below it revalidation, and cold pulls go on', async () => {
  await using scene = await startQuotaScene({ limit: 5, reserve: 2, tags: { ttl: '1m', stalewhilerevalidate: '1m' } })
  const { hub, publish, verdict, advance } = scene
  for (const repository of repositories) publish(repository)
  for (const repository of repositories.slice(0, 2)) await scene.manifest(repository, '1')
  advance(60)
  const moved = publish(first)
  assert.deepEqual(await verdict(first), [200, 'hit'])
  await until('it is refreshed', async () => {
    const { headers } = await scene.manifest(first, '1', { method: 'HEAD' })
    return headers['docker-content-digest'] === moved.manifest.digest
  })
  assert.equal(hub.quotaUsed(), 3)

  hub.clearLedger()
  publish(second)
  assert.deepEqual(await verdict(second), [200, 'hit'])
  await scene.arrived()
  assert.equal(hub.ledger.length, 0, 'two are left: nothing is asked in the background')
  advance(120)
  assert.deepEqual(await verdict(first), [200, 'revalidated'], 'who waits may ask')

  assert.deepEqual(await verdict('library/q3'), [200, 'miss'])
  hub.clearLedger()
  assert.deepEqual(await verdict(second), [200, 'stale'])
  assert.equal(hub.ledger.length, 0, 'one is left: it is for what is not here')
  assert.deepEqual(await verdict('library/q4'), [200, 'miss'])
})

test('an upstream without limits is asked as ever, whatever the reserve', async () => {
  await using scene = await startQuotaScene({ limit: 100, reserve: 99 })
  scene.hub.quota = undefined
  scene.publish(first)
  await scene.manifest(first, '1')
  assert.deepEqual(await scene.verdict(first), [200, 'revalidated'])
})
