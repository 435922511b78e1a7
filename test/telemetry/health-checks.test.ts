// Thresholds and time-outs, on a clock that the test moves.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Health } from '../../src/telemetry/health.ts'
import { type Check, startChecks } from '../../src/telemetry/health-checks.ts'
import { silentLog } from '../../src/telemetry/log.ts'
import { TestClock } from '../support/clock.ts'
import { until } from '../support/until.ts'

const interval = 10_000

function watched(check: Check, { threshold = 0, timeoutMs = 0 } = {}) {
  const clock = new TestClock()
  const health = new Health()
  const checks = startChecks([{ name: 'it', check, intervalMs: interval, threshold, timeoutMs }], { health, clock, log: silentLog })
  return { clock, health, [Symbol.asyncDispose]: () => checks[Symbol.asyncDispose]() }
}

test('a check is healthy until so many failures in a row, and again with the first success', async () => {
  const outcomes = [false, false, true, false, false, false, true]
  const seen: boolean[] = []
  await using it = watched(
    async () => {
      if (outcomes.shift() !== true) throw new Error('down')
    },
    { threshold: 3 },
  )
  assert.equal(it.health.isFailing, false)
  for (let left = outcomes.length; left > 0; left -= 1) {
    await it.clock.pass(interval)
    await it.clock.sleeping(interval)
    seen.push(it.health.isFailing)
  }
  assert.deepEqual(seen, [false, false, false, false, false, true, false])
})

test('without a threshold the first failure counts, with its causes', async () => {
  await using it = watched(() => Promise.reject(new Error('asking', { cause: new Error('refused') })))
  await it.clock.pass(interval)
  await it.clock.sleeping(interval)
  assert.deepEqual(it.health.failures(), [['it', 'asking: refused']])
})

test('a check that hangs fails when its time is over, and is ended', async () => {
  let ended: unknown
  const hang: Check = (signal) => new Promise(() => signal.addEventListener('abort', () => (ended = signal.reason)))
  await using it = watched(hang, { timeoutMs: 3000 })
  await it.clock.pass(interval, 3000)
  await it.clock.sleeping(interval)
  assert.deepEqual(it.health.failures(), [['it', 'no answer within 3000 ms']])
  await until('it is ended', () => ended !== undefined)
})

test('troubles are told and fail nothing', () => {
  const health = new Health()
  health.tell('redis', 'cannot be reached')
  assert.deepEqual([health.isFailing, health.troubles()], [false, [['redis', 'cannot be reached']]])
  health.tell('redis', undefined)
  assert.deepEqual(health.troubles(), [])
})
