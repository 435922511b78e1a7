// A replica that has lost the one it followed: it leaves the lease to those who have more, and waits a little for a Redis that is away.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Lease, Leases } from '../../src/cluster/leases.ts'
import { type ContentSource, UpstreamFailure } from '../../src/content.ts'
import { sharedTransfers } from '../../src/mirror/shared-transfers.ts'
import { holdBackMs } from '../../src/mirror/take-over.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { parseRepositoryName } from '../../src/oci/names.ts'
import { TestClock } from '../support/clock.ts'
import { scriptedSource, silentLog, transferOf } from './scripted-source.ts'

const bytes = Buffer.from('abcdefghijklmnopqrstuvwxyz')
const digest = digestOf(bytes)
const repository = parseRepositoryName('library/some')
const { signal } = new AbortController()

type Redis = 'away' | 'held by another' | 'free'

function stage() {
  const clock = new TestClock()
  const state: { redis: Redis; isHolderThere: boolean } = { redis: 'held by another', isHolderThere: true }
  const upstream = scriptedSource({ openBlob: async (_repository, _digest, range) => transferOf(bytes, range) })
  const told = <T>(answer: T) => (state.redis === 'away' ? Promise.reject(new Error('Redis is away')) : Promise.resolve(answer))
  const lease: Lease = { key: 'fill', fence: 1, signal: new AbortController().signal, isHeld: async () => true, release: async () => {} }
  const leases: Leases = {
    tryAcquire: () => told(state.redis === 'free' ? lease : undefined),
    acquire: () => told(lease),
    holderOf: () => told(state.redis === 'free' ? undefined : 'http://other'),
  }
  const peers = {
    self: 'http://self',
    openBlob: async () => {
      if (!state.isHolderThere) throw new UpstreamFailure('unreachable', 'it is gone')
      return transferOf(bytes)
    },
  }
  // Its store has nothing.
  const local = { findBlob: async () => undefined } as Partial<ContentSource> as ContentSource
  const transfers = sharedTransfers({ source: upstream, local, leases, peers, clock, log: silentLog })
  return { clock, state, upstream, transfers: transfers(repository, digest) }
}

/** Follows the other one, which then goes, and Redis with it. */
async function orphaned() {
  const staged = stage()
  const { state, transfers } = staged
  assert.equal((await transfers.open(undefined, signal))?.size, bytes.length)
  state.isHolderThere = false
  state.redis = 'away'
  return { ...staged, opening: transfers.open({ start: 10 }, signal) }
}

/** It looks again and again, and does not ask upstream until so much time has passed. */
async function leaveToOthers({ clock, upstream }: Pick<ReturnType<typeof stage>, 'clock' | 'upstream'>, ms: number) {
  for (let passed = 0; passed < ms; passed += 200) {
    await clock.sleeping(200)
    assert.deepEqual(upstream.asked, [], `after ${passed} ms`)
    clock.advance(200)
  }
}

test('Redis comes back meanwhile: who gets the lease goes on', async () => {
  const staged = await orphaned()
  const { clock, state, upstream, opening } = staged
  await clock.pass(200, 200)
  await clock.sleeping(200)
  assert.deepEqual(upstream.asked, [])
  state.redis = 'free'
  clock.advance(200)
  await leaveToOthers(staged, 492)
  assert.equal((await opening)?.start, 10)
  assert.equal(upstream.asked.length, 1)
})

test('who has lost the replica that fetched before it gave a byte leaves the lease to those who have some', async () => {
  const staged = stage()
  const { state, upstream, clock, transfers } = staged
  state.isHolderThere = false
  const opening = transfers.open(undefined, signal)
  await clock.sleeping(200)
  state.redis = 'free'
  clock.advance(200)
  await leaveToOthers(staged, 2_000)
  assert.equal((await opening)?.start, 0)
  assert.equal(upstream.asked.length, 1)
})

test('the more it has of the blob, the sooner a replica takes the lease', () => {
  const waits = [0, 1, 50, 100].map((position) => holdBackMs(position, 100))
  assert.deepEqual(waits, [2_000, 792, 400, 0])
  assert.equal(holdBackMs(5, undefined), 2_000)
})

test('Redis stays away: it goes on without a lease', async () => {
  const staged = await orphaned()
  const { opening } = staged
  await leaveToOthers(staged, 5_000)
  assert.equal((await opening)?.start, 10)
})

test('who has followed nobody does not wait for Redis', async () => {
  const { state, upstream, transfers } = stage()
  state.redis = 'away'
  assert.equal((await transfers.open(undefined, signal))?.start, 0)
  assert.equal(upstream.asked.length, 1)
})
