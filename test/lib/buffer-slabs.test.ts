import assert from 'node:assert/strict'
import { it } from 'node:test'
import { array, assert as assertProperty, constantFrom, nat, option, property, record } from 'fast-check'
import { BufferSlabs, type Piece } from '../../src/lib/buffer-slabs.ts'

const KiB = 1024
const limits = { smallestBytes: 16 * KiB, largestBytes: 128 * KiB, maxBytes: 512 * KiB, idleBytes: 256 * KiB }

it('two halves become one piece again, so no further memory is needed for a large one', () => {
  const slabs = new BufferSlabs(limits)
  const small = Array.from({ length: 8 }, () => slabs.take(16 * KiB))
  assert.equal(slabs.heldBytes, 128 * KiB)
  for (const piece of small) slabs.give(piece)
  slabs.give(slabs.take(128 * KiB))
  assert.equal(slabs.heldBytes, 128 * KiB)
})

it('at the limit there are smaller pieces, and beyond it only for who would get none', () => {
  const slabs = new BufferSlabs(limits)
  const large = Array.from({ length: 3 }, () => slabs.take(128 * KiB))
  const rest = [slabs.take(64 * KiB), slabs.take(128 * KiB), slabs.take(128 * KiB)]
  assert.deepEqual(
    rest.map(({ buffer }) => buffer.length),
    [64 * KiB, 64 * KiB, 16 * KiB],
  )
  assert.equal(slabs.heldBytes, 640 * KiB)
  for (const piece of [...large, ...rest]) slabs.give(piece)
  assert.equal(slabs.heldBytes, limits.idleBytes)
})

it('pieces in use never overlap, whatever comes and goes', () => {
  const step = record({ size: constantFrom(16 * KiB, 32 * KiB, 64 * KiB, 128 * KiB), giveBack: option(nat()) })
  assertProperty(
    property(array(step, { maxLength: 60 }), (steps) => {
      const slabs = new BufferSlabs(limits)
      const used = new Map<number, Piece>()
      for (const [turn, { size, giveBack }] of steps.entries()) {
        const piece = slabs.take(size)
        piece.buffer.fill(turn)
        used.set(turn, piece)
        const victim = giveBack === null ? undefined : [...used.keys()][giveBack % used.size]
        if (victim === undefined) continue
        const given = used.get(victim)
        if (given !== undefined) slabs.give(given)
        used.delete(victim)
      }
      for (const [turn, { buffer }] of used) assert.ok(buffer.every((byte) => byte === turn))
      for (const piece of used.values()) slabs.give(piece)
      assert.ok(slabs.heldBytes <= limits.idleBytes)
    }),
    { numRuns: 200 },
  )
})
