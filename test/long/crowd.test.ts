// The crowd at its full size: what must hold of 200 clients on one cold gigabyte whose upstream breaks three times. The benchmark
// of the same name measures it; here its limits are a test.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { crowd } from '../bench/crowd.bench.ts'

test('200 clients on a cold blob of 1 GB, cut three times: one transfer, right bytes, little memory', async () => {
  const measurements = await crowd({ isQuick: false, tell: () => undefined })
  const limits = measurements.filter(({ isMet }) => isMet !== undefined)
  assert.equal(limits.length, 3)
  for (const { what, goal, measured, isMet } of limits) assert.ok(isMet, `${what}: ${measured}, wanted ${goal}`)
})
