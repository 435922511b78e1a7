// The circuit breaker: when an origin is left alone, who finds out whether it is back, and how soon.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { UpstreamFailure } from '../../src/content.ts'
import { Breakers, CircuitOpen } from '../../src/upstream/breaker.ts'
import { ReadableLog, StillClock } from './remote.ts'

const origin = 'https://registry.hub.test'

function setUp() {
  const clock = new StillClock()
  const log = new ReadableLog()
  const breakers = new Breakers(clock, log)
  const fail = (times: number, at = origin) => {
    for (let n = 0; n < times; n += 1) breakers.admit(at).failed()
  }
  /** Seconds that a request is told to wait; 0: it was admitted. */
  const refusedFor = () => {
    try {
      breakers.admit(origin).unknown()
      return 0
    } catch (error) {
      assert.ok(error instanceof CircuitOpen)
      return error.retryAfterSeconds ?? Number.NaN
    }
  }
  return { clock, log, breakers, fail, refusedFor }
}

describe('a circuit', () => {
  test('stays closed up to four failures in a row', () => {
    const { breakers, fail, refusedFor } = setUp()
    fail(4)
    assert.deepEqual([breakers.stateOf(origin), refusedFor()], ['closed', 0])
  })

  test('opens with the fifth, for a second', () => {
    const { breakers, clock, fail, refusedFor } = setUp()
    fail(5)
    assert.deepEqual([breakers.stateOf(origin), refusedFor()], ['open', 1])
    clock.advance(0.999)
    assert.equal(breakers.stateOf(origin), 'open')
    clock.advance(0.001)
    assert.equal(breakers.stateOf(origin), 'half-open')
  })

  test('counts failures in a row only', () => {
    const { breakers, fail } = setUp()
    for (let n = 0; n < 5; n += 1) {
      fail(4)
      breakers.admit(origin).worked()
    }
    assert.equal(breakers.stateOf(origin), 'closed')
  })

  test('is of one origin: others work on', () => {
    const { breakers, fail } = setUp()
    fail(5)
    assert.equal(breakers.stateOf('https://cdn-a.hub.test'), 'closed')
    breakers.admit('https://cdn-a.hub.test').worked()
  })

  test('is refused as trouble of upstream that says how long to wait', () => {
    const { breakers, fail } = setUp()
    fail(5)
    assert.throws(
      () => breakers.admit(origin),
      (error) => error instanceof UpstreamFailure && error.kind === 'unavailable' && error.status === 503,
    )
  })

  test('is told of once when it opens and once when it closes', () => {
    const { breakers, clock, fail, log } = setUp()
    fail(5)
    for (let n = 0; n < 3; n += 1) {
      clock.advance(10)
      fail(1)
    }
    assert.deepEqual(
      log.lines.map(({ level }) => level),
      ['warn'],
    )
    clock.advance(10)
    breakers.admit(origin).worked()
    assert.deepEqual(
      log.lines.map(({ level }) => level),
      ['warn', 'info'],
    )
  })

  test('that many requests failed in at one time pauses no longer than one failure would', () => {
    const { breakers, refusedFor } = setUp()
    const verdicts = Array.from({ length: 50 }, () => breakers.admit(origin))
    for (const verdict of verdicts) verdict.failed()
    assert.equal(refusedFor(), 1)
  })
})

describe('half open', () => {
  test('one of fifty is the probe', () => {
    const { breakers, clock, fail } = setUp()
    fail(5)
    clock.advance(1)
    let admitted = 0
    for (let n = 0; n < 50; n += 1) {
      try {
        breakers.admit(origin)
        admitted += 1
      } catch (error) {
        assert.ok(error instanceof CircuitOpen && error.retryAfterSeconds === 1)
      }
    }
    assert.equal(admitted, 1)
  })

  test('a probe that works closes it for all', () => {
    const { breakers, clock, fail, refusedFor } = setUp()
    fail(5)
    clock.advance(1)
    breakers.admit(origin).worked()
    assert.deepEqual([breakers.stateOf(origin), refusedFor()], ['closed', 0])
    fail(4)
    assert.equal(breakers.stateOf(origin), 'closed', 'what was before is forgotten')
  })

  test('probes that fail make the pause longer, up to five seconds', () => {
    const { clock, fail, refusedFor } = setUp()
    fail(5)
    const pauses: number[] = []
    for (let n = 0; n < 6; n += 1) {
      pauses.push(refusedFor())
      clock.advance(pauses.at(-1) ?? 0)
      fail(1)
    }
    assert.deepEqual(pauses, [1, 2, 4, 5, 5, 5])
  })

  test('a probe that nobody waited for to the end leaves its place to the next', () => {
    const { breakers, clock, fail } = setUp()
    fail(5)
    clock.advance(1)
    const probe = breakers.admit(origin)
    probe.unknown()
    probe.failed()
    breakers.admit(origin).worked()
    assert.equal(breakers.stateOf(origin), 'closed')
  })

  test('a request from before that fails during the probe changes nothing', () => {
    const { breakers, clock, fail } = setUp()
    const old = breakers.admit(origin)
    fail(5)
    clock.advance(1)
    const probe = breakers.admit(origin)
    old.failed()
    assert.throws(() => breakers.admit(origin), CircuitOpen)
    probe.worked()
    assert.equal(breakers.stateOf(origin), 'closed')
  })

  test('a request from before that works closes it', () => {
    const { breakers, fail } = setUp()
    const old = breakers.admit(origin)
    fail(5)
    old.worked()
    assert.equal(breakers.stateOf(origin), 'closed')
  })
})

test('origins without end are forgotten, the oldest first', () => {
  const { breakers, fail } = setUp()
  fail(5)
  for (let n = 0; n < 1_000; n += 1) fail(1, `https://cdn${n}.hub.test`)
  assert.equal(breakers.stateOf(origin), 'closed')
})
