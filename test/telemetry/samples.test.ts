// How the numbers of several processes become one answer.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Meters } from '../../src/telemetry/meters.ts'
import { lasting, type MeterSamples, mergeSamples, samplesOf } from '../../src/telemetry/samples.ts'

/** As one process has it: everything is `value`. */
function processWith(value: number, extra?: string): MeterSamples[] {
  const meters = new Meters()
  meters.counter('count', '', 'kind').add(value, 'a')
  if (extra !== undefined) meters.counter('rare', '').add(value)
  meters.histogram('spread', '', [1, 5]).observe(value)
  meters.gauge('memory', '', [], () => [[[], value]], 'sum')
  meters.gauge('disk', '', [], () => [[[], value]])
  meters.gauge('quota', '', [], () => [[[], value]], 'min')
  return samplesOf(meters)
}

const valueOf = (merged: readonly MeterSamples[], name: string, part?: string) =>
  merged
    .find((meter) => meter.name === name)
    ?.values.filter(({ metricName }) => metricName === part)
    .map(({ value }) => value)

test('what each has of its own is added up; of what all see alike the worst counts', () => {
  const merged = mergeSamples([processWith(2, 'rare'), processWith(7)])
  for (const [name, value] of Object.entries({ count: 9, rare: 2, memory: 9, disk: 7, quota: 2 }))
    assert.deepEqual(valueOf(merged, name), [value], name)
  assert.deepEqual(valueOf(merged, 'spread', 'spread_bucket'), [0, 1, 2])
  assert.deepEqual(valueOf(merged, 'spread', 'spread_sum'), [9])
})

test('of a process that is gone what it counted stays, and not how it was', () => {
  const merged = mergeSamples([lasting(processWith(3)), processWith(4)])
  for (const [name, value] of Object.entries({ count: 7, memory: 4, disk: 4, quota: 4 }))
    assert.deepEqual(valueOf(merged, name), [value], name)
  assert.deepEqual(mergeSamples([processWith(3)]), processWith(3))
})
