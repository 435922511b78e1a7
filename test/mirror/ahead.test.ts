// Ranges ahead of a running fill: which get a transfer of their own, and which wait.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type AheadFacts, mayGoAhead } from '../../src/mirror/ahead.ts'

const mebibyte = 1024 * 1024

/** A lone, long range, half a minute ahead of a fill that comes forward well. */
const far: AheadFacts = {
  distance: 300 * mebibyte,
  length: 500 * mebibyte,
  size: 1000 * mebibyte,
  bytesPerSecond: 10 * mebibyte,
  quietMs: 5,
  reads: 0,
  bytes: 0,
}
const soon = { distance: 20 * mebibyte }
const small = { length: 8 * mebibyte }
const used = { bytes: 20 * mebibyte, reads: 1 }

const cases: readonly (readonly [string, Partial<AheadFacts>, boolean])[] = [
  ['a long one that the fill reaches late is passed on', {}, true],
  ['a long one waits when another one is passed on', used, false],
  ['a long one waits for a fill that comes soon', soon, false],
  ['of a fill that has only begun nothing is known', { ...soon, bytesPerSecond: 0, quietMs: 0 }, true],
  ['a fill that has brought nothing for as long as a take-over takes is still waited for', { ...soon, quietMs: 9_999 }, false],
  ['one that stands still is not', { ...soon, quietMs: 10_000 }, true],
  ['a small one is passed on at once', { ...small, ...soon }, true],
  ['the next small one waits for a fill that comes soon', { ...small, ...soon, ...used }, false],
  ['and is passed on when it would wait long', { ...small, ...used }, true],
  ['at most eight at a time', { ...small, reads: 8 }, false],
  ['what is near waits', { ...small, distance: 4 * mebibyte, bytesPerSecond: 0 }, false],
]

for (const [name, facts, expected] of cases) {
  test(name, () => assert.equal(mayGoAhead({ ...far, ...facts }), expected))
}
