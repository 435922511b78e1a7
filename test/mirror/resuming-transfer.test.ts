// One blob over several transfers: in order, without a gap, without a byte too many, and never without end.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { UpstreamFailure } from '../../src/content.ts'
import { resumingTransfer } from '../../src/mirror/resuming-transfer.ts'
import { collected, scripted, type Script } from './transfers.ts'

const text = 'abcdefghijklmnopqrstuvwxyz0123456789'
const bytes = Buffer.from(text)
const size = bytes.length
const cut = new UpstreamFailure('unreachable', 'cut')
const whole = { start: 0, end: size, size }
const from = (start: number, end = size): Buffer => bytes.subarray(start, end)

/** Gives one script after the other, then fails the test. */
function inTurn(...scripts: readonly (Script | UpstreamFailure | undefined)[]) {
  const left = [...scripts]
  return scripted(size, () => {
    if (left.length === 0) throw new Error('opened once too often')
    return left.shift()
  })
}

test('a transfer that does not break is passed on', async () => {
  const source = inTurn({ bytes })
  assert.deepEqual(await collected(resumingTransfer(whole, undefined, source.options)), { text, error: undefined })
  assert.deepEqual([source.ranges, source.open], [[{ start: 0 }], 0])
})

test('after a break it goes on where it was', async () => {
  const source = inTurn({ bytes: from(0, 10), ends: cut }, { bytes: from(10) })
  assert.equal((await collected(resumingTransfer(whole, undefined, source.options))).text, text)
  assert.deepEqual(source.ranges, [{ start: 0 }, { start: 10 }])
})

test('an end in order before the last byte is a break', async () => {
  const source = inTurn({ bytes: from(0, 10) }, { bytes: from(10) })
  assert.equal((await collected(resumingTransfer(whole, undefined, source.options))).text, text)
})

test('of an answer that begins too early what is known is dropped', async () => {
  const source = inTurn({ bytes: from(0, 10), ends: cut }, { bytes, start: 0 })
  assert.equal((await collected(resumingTransfer(whole, undefined, source.options))).text, text)
})

test('a part is asked for as a part, and no byte behind it is passed on', async () => {
  const source = inTurn({ bytes: from(5) })
  assert.equal((await collected(resumingTransfer({ start: 5, end: 9, size }, undefined, source.options))).text, 'fghi')
  assert.deepEqual(source.ranges, [{ start: 5, end: 8 }])
  assert.equal(source.open, 0, 'the rest is not waited for')
})

const refused: readonly (readonly [string, Script | undefined])[] = [
  ['of another size', { bytes: from(10), size: size + 1 }],
  ['that begins too late', { bytes: from(11), start: 11 }],
  ['that there is none', undefined],
]
for (const [what, script] of refused) {
  test(`an answer ${what} is tried again, then final`, async () => {
    const source = inTurn({ bytes: from(0, 10), ends: cut }, script, script)
    const [{ text: got, error }] = await Promise.all([
      collected(resumingTransfer(whole, undefined, source.options)),
      source.clock.pass(500),
    ])
    assert.equal(got, text.slice(0, 10))
    assert.ok(error instanceof UpstreamFailure && error.kind === 'broken')
    assert.deepEqual([source.ranges.length, source.open], [3, 0])
  })
}

test('an unknown size ends where upstream ends', async () => {
  const source = inTurn({ bytes, size: 'unknown' })
  const wanted = { start: 0, end: undefined, size: undefined }
  assert.equal((await collected(resumingTransfer(wanted, undefined, source.options))).text, text)
})

test('tries that bring next to nothing are counted as if they brought nothing', async () => {
  const source = scripted(size, ({ start }) => ({ bytes: from(start, start + 1), ends: cut }))
  const [{ text: got, error }] = await Promise.all([
    collected(resumingTransfer(whole, undefined, source.options)),
    source.clock.pass(500, 1000, 2000, 5000, 10_000),
  ])
  assert.deepEqual([got, error], [text.slice(0, 7), cut])
})

test('tries that bring much may be many', async () => {
  const step = 40_000
  const large = Buffer.alloc(20 * step, 'x')
  const source = scripted(large.length, ({ start }) => ({ bytes: large.subarray(start, start + step), ends: cut }))
  const wanted = { start: 0, end: large.length, size: large.length }
  assert.equal((await collected(resumingTransfer(wanted, undefined, source.options))).text.length, large.length)
  assert.equal(source.ranges.length, 20)
})

test('one who stops reading frees the transfer', async () => {
  const source = inTurn({ bytes })
  for await (const chunk of resumingTransfer(whole, undefined, source.options)) {
    assert.equal(chunk.length, 7)
    break
  }
  assert.equal(source.open, 0)
})
