// A follower's transfer ends when the replica that it comes from is silent and has lost its lease, and for no other reason.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type BlobTransfer, UpstreamFailure } from '../../src/content.ts'
import { untilHolderIsGone } from '../../src/mirror/holder-watch.ts'
import { TestClock } from '../support/clock.ts'

/** One chunk, and then nothing until it is closed. */
function silentTransfer(): BlobTransfer {
  const closed = Promise.withResolvers<void>()
  async function* body(): AsyncGenerator<Uint8Array> {
    yield Buffer.from('first')
    await closed.promise
    throw new Error('the connection was closed')
  }
  return { size: 10, start: 0, body: body(), close: () => closed.resolve() }
}

async function advanceUntil(clock: TestClock, isOver: () => boolean): Promise<number> {
  let seconds = 0
  for (; !isOver() && seconds < 20; seconds += 1) {
    clock.advance(1_000)
    for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve))
  }
  return seconds
}

test('silent, and the lease is lost: the transfer breaks within seconds', async () => {
  const clock = new TestClock()
  const looks = [true, true, false]
  const watched = untilHolderIsGone(silentTransfer(), { clock, stillHolds: async () => looks.shift() ?? false })
  const chunks = watched.body[Symbol.asyncIterator]()
  assert.equal(Buffer.from((await chunks.next()).value ?? []).toString(), 'first')
  let failure: unknown
  const waiting = chunks.next().catch((error: unknown) => {
    failure = error
  })
  const seconds = await advanceUntil(clock, () => failure !== undefined)
  await waiting
  assert.ok(failure instanceof UpstreamFailure && failure.kind === 'unreachable', String(failure))
  assert.deepEqual([looks, seconds <= 6], [[], true], `${seconds} s`)
})

test('a reader who takes his time is no silence: nobody is asked', async () => {
  const clock = new TestClock()
  let looks = 0
  const watched = untilHolderIsGone(silentTransfer(), {
    clock,
    stillHolds: async () => {
      looks += 1
      return false
    },
  })
  const chunks = watched.body[Symbol.asyncIterator]()
  await chunks.next()
  await advanceUntil(clock, () => false)
  assert.equal(looks, 0)
  await chunks.return?.()
})
