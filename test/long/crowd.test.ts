// The crowd at its full size: what must hold of 200 clients on one cold gigabyte whose upstream breaks three times. The benchmark
// of the same name measures it; here its limits are a test.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { crowd } from '../bench/crowd.bench.ts'

/** The goal is 200 MB, which the benchmark judges; what fails a build is a leak, not a megabyte more or less. */
const mostMegabytes = 260

test('200 clients on a cold blob of 1 GB, cut three times: one transfer, right bytes, little memory', async () => {
  const measurements = await crowd({ isQuick: false, tell: () => undefined })
  const [bytes, content, memory] = measurements
  for (const limit of [bytes, content]) assert.equal(limit?.isMet, true, `${limit?.what}: ${limit?.measured}, wanted ${limit?.goal}`)
  assert.match(memory?.what ?? '', /resident memory/)
  assert.ok(Number(/^(\d+) MB/.exec(memory?.measured ?? '')?.[1]) < mostMegabytes, memory?.measured)
})
