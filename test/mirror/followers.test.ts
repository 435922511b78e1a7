// How far a fill goes ahead of the replicas that follow it, and for whom it does not wait.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { BlobHandle } from '../../src/content.ts'
import { Followers, forReplica, leadOver, slackOf } from '../../src/mirror/followers.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { TestClock } from '../support/clock.ts'

const mebibyte = 1024 * 1024
const size = 400 * mebibyte
const slack = 4 * mebibyte

function standing(filled: number) {
  const clock = new TestClock()
  const fill = { filled }
  return { clock, fill, followers: new Followers({ size, filled: () => fill.filled, clock }) }
}

/** Whether it is over by now; nothing in it takes longer than a turn. */
async function isOver(work: Promise<void>): Promise<boolean> {
  return Promise.race([work.then(() => true), new Promise<boolean>((resolve) => setImmediate(() => resolve(false)))])
}

test('the lead is a hundredth of the blob, and at least what is on its way', () => {
  assert.equal(slackOf(1000 * mebibyte), 10 * mebibyte)
  assert.equal(slackOf(5 * mebibyte), mebibyte)
})

test('one that joins late comes nearer by half of what it takes', () => {
  const since = 0
  const gap = 100 * mebibyte
  const leads = [0, 50, 192, 300].map((at) => leadOver({ since, gap, position: at * mebibyte }, slack) / mebibyte)
  assert.deepEqual(leads, [100, 75, 4, 4])
})

test('a fill waits until the slowest has come near enough', async () => {
  const { followers, fill } = standing(0)
  const [one, other] = [followers.join(0), followers.join(0)]
  fill.filled = slack
  assert.equal(followers.areBehind, false)
  fill.filled = slack + 1
  assert.equal(followers.areBehind, true)
  const near = followers.near()
  one.moved(2)
  assert.equal(await isOver(near), false)
  other.moved(1)
  await near
  assert.equal(followers.areBehind, false)
})

test('a fill does not wait for one that leaves', async () => {
  const { followers, fill } = standing(0)
  const follower = followers.join(0)
  fill.filled = 2 * slack
  const near = followers.near()
  assert.equal(await isOver(near), false)
  follower.left()
  await near
  assert.equal(followers.areBehind, false)
})

test('one that takes next to nothing for a second is not waited for until it has come on again', async () => {
  const { followers, fill, clock } = standing(0)
  const follower = followers.join(0)
  fill.filled = 2 * slack
  const near = followers.near()
  follower.moved(1000)
  await clock.pass(1_000)
  await near
  fill.filled = 20 * slack
  assert.equal(followers.areBehind, false)
  follower.moved(1000 + mebibyte)
  assert.equal(followers.areBehind, false, 'it is as near as when it came back')
  fill.filled += mebibyte
  assert.equal(followers.areBehind, true)
})

test('a slow one that moves is waited for as long as it takes', async () => {
  const { followers, fill, clock } = standing(0)
  const follower = followers.join(0)
  fill.filled = slack + mebibyte
  const near = followers.near()
  for (let at = 1; at < 4; at += 1) {
    await clock.sleeping(1_000)
    follower.moved((at * mebibyte) / 4)
    clock.advance(1_000)
  }
  assert.equal(await isOver(near), false)
  follower.moved(mebibyte)
  await near
})

test('only who takes the blob to its end is followed on his way', async () => {
  const { followers, fill } = standing(0)
  const bytes = Buffer.alloc(10)
  async function* chunks() {
    yield bytes
    yield bytes
  }
  const descriptor = { mediaType: 'application/octet-stream', digest: digestOf(bytes), size }
  const blob: BlobHandle = { descriptor, provenance: { verdict: 'filling' }, open: () => chunks() }
  const { signal } = new AbortController()
  const open = (start: number, end: number) => forReplica(blob, followers).open({ start, end }, signal)[Symbol.asyncIterator]()
  const [whole, piece, unread] = [open(5, size - 1), open(0, 1000), open(0, size - 1)]
  await whole.next()
  await piece.next()
  fill.filled = 5 + slack + 1
  assert.equal(followers.areBehind, true)
  // The first chunk is out when the next one is asked for.
  await whole.next()
  assert.equal(followers.areBehind, false)
  fill.filled = size
  assert.equal(followers.areBehind, true)
  await whole.return?.()
  assert.equal(followers.areBehind, false)
  await unread.return?.()
})
