import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LocalLeases } from '../../src/cluster/local-leases.ts'
import { startPurging } from '../../src/compose/purge.ts'
import { silentLog } from '../../src/telemetry/log.ts'
import { TestClock } from '../support/clock.ts'

const hour = 3_600_000
const purging = { age: 168 * hour, interval: 24 * hour, dryrun: false }

test('uploads are purged after the delay, then at each interval, also when a run fails', async () => {
  const clock = new TestClock()
  const asked: unknown[] = []
  const store = {
    async purgeUploads(options: object) {
      asked.push(options)
      if (asked.length === 2) throw new Error('the disk is gone')
      return { purged: 1, kept: 0 }
    },
  }
  await using _purge = startPurging(purging, { store, clock, log: silentLog, leases: new LocalLeases(), delay: 0.5 })
  await clock.sleeping(hour / 2)
  assert.deepEqual(asked, [])
  await clock.pass(hour / 2, purging.interval, purging.interval)
  await clock.sleeping(purging.interval)
  assert.deepEqual(
    asked,
    Array.from({ length: 3 }, () => ({ olderThanMs: purging.age, isDryRun: false })),
  )
})

test('a dry run asks for one', async () => {
  const clock = new TestClock()
  const asked: unknown[] = []
  const store = {
    async purgeUploads(options: object) {
      asked.push(options)
      return { purged: 0, kept: 0 }
    },
  }
  await using _purge = startPurging({ ...purging, dryrun: true }, { store, clock, log: silentLog, leases: new LocalLeases(), delay: 1 })
  await clock.pass(hour)
  await clock.sleeping(purging.interval)
  assert.deepEqual(asked, [{ olderThanMs: purging.age, isDryRun: true }])
})

test('stopping ends a run that is on its way, and waits for it', async () => {
  const clock = new TestClock()
  let ended = false
  const begun = Promise.withResolvers<void>()
  const store = {
    async purgeUploads(_options: object, signal: AbortSignal): Promise<never> {
      begun.resolve()
      await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
      ended = true
      throw signal.reason
    },
  }
  const purge = startPurging(purging, { store, clock, log: silentLog, leases: new LocalLeases(), delay: 0.5 })
  await clock.pass(hour / 2)
  await begun.promise
  await purge[Symbol.asyncDispose]()
  assert.equal(ended, true)
})
