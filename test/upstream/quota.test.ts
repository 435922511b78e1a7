// What is known of the pull limit, and how long a 429 keeps us quiet.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { UpstreamFailure } from '../../src/content.ts'
import { QuotaState } from '../../src/upstream/quota.ts'
import type { RateLimit } from '../../src/upstream/rate-limits.ts'
import { StillClock } from './remote.ts'

function setUp() {
  const clock = new StillClock()
  const quota = new QuotaState(clock)
  const limitOf = (remaining: number, windowSeconds: number | undefined = 3600): RateLimit => ({
    limit: 100,
    remaining,
    windowSeconds,
    source: undefined,
    seenAt: clock.now(),
  })
  return {
    clock,
    quota,
    limitOf,
    saw: (remaining: number, windowSeconds?: number) => quota.saw(limitOf(remaining, windowSeconds), quota.asks()),
    limited: (retryAfterSeconds?: number, limit?: RateLimit) =>
      quota.limited(new UpstreamFailure('rate-limited', '429', { retryAfterSeconds }), limit),
    /** Seconds that are left of the pause. */
    pause: () => Math.max(0, (quota.pausedUntil - clock.now()) / 1000),
  }
}

describe('what is left', () => {
  test('is not known before anybody has said so', () => {
    assert.equal(setUp().quota.rateLimit, undefined)
  })

  test('is what the last answer said; an answer that says nothing changes nothing', () => {
    const { quota, saw } = setUp()
    saw(99)
    saw(21)
    quota.saw(undefined, quota.asks())
    assert.equal(quota.rateLimit?.remaining, 21)
  })

  test('is not made more by an answer from before', () => {
    const { quota, saw, limitOf } = setUp()
    const early = quota.asks()
    saw(20)
    quota.saw(limitOf(21), early)
    assert.equal(quota.rateLimit?.remaining, 20)
    saw(100)
    assert.equal(quota.rateLimit?.remaining, 100, 'what was asked since speaks of a new window')
  })

  test('is made less by an answer that comes late', () => {
    const { quota, saw, limitOf } = setUp()
    const early = quota.asks()
    saw(20)
    quota.saw(limitOf(19), early)
    assert.equal(quota.rateLimit?.remaining, 19)
  })

  test('holds as long as the window that the header names', () => {
    const { quota, saw, clock } = setUp()
    saw(5, 600)
    clock.advance(599)
    assert.equal(quota.rateLimit?.remaining, 5)
    clock.advance(1)
    assert.equal(quota.rateLimit, undefined)
  })

  test('holds for an hour where no window is named', () => {
    const { quota, limitOf, clock } = setUp()
    quota.saw({ ...limitOf(5), windowSeconds: undefined }, quota.asks())
    clock.advance(3599)
    assert.equal(quota.rateLimit?.remaining, 5)
    clock.advance(1)
    assert.equal(quota.rateLimit, undefined)
  })

  test('is also learnt from a 429', () => {
    const { quota, limited, limitOf } = setUp()
    limited(undefined, limitOf(0))
    assert.equal(quota.rateLimit?.remaining, 0)
  })
})

describe('a pause', () => {
  test('is not there without a 429', () => {
    const { saw, pause } = setUp()
    saw(0)
    assert.equal(pause(), 0)
  })

  test('is as long as Retry-After says', () => {
    const { limited, pause } = setUp()
    limited(7)
    assert.equal(pause(), 7)
  })

  test('is a day at most, whatever Retry-After says', () => {
    const { limited, pause } = setUp()
    limited(10_000_000)
    assert.equal(pause(), 86_400)
  })

  test('is a minute where nothing is said, and doubles with each further 429, up to the window', () => {
    const { limited, pause, clock } = setUp()
    const pauses: number[] = []
    for (let n = 0; n < 8; n += 1) {
      limited()
      pauses.push(pause())
      clock.advance(pause())
    }
    assert.deepEqual(pauses, [60, 120, 240, 480, 960, 1920, 3600, 3600])
  })

  test('is no longer than a short window', () => {
    const { limited, limitOf, pause } = setUp()
    limited(undefined, limitOf(0, 30))
    assert.equal(pause(), 30)
  })

  test('is not made longer by the 429s that come in it', () => {
    const { limited, pause, clock } = setUp()
    limited()
    clock.advance(20)
    for (let n = 0; n < 5; n += 1) limited(500)
    assert.equal(pause(), 40)
  })

  test('ends with an answer that grants pulls, to what was asked in it', () => {
    const { limited, pause, clock, saw } = setUp()
    limited()
    clock.advance(1)
    saw(50)
    assert.equal(pause(), 0)
    limited()
    assert.equal(pause(), 60, 'and the next one is a first one again')
  })

  test('does not end with an answer to what was asked before it', () => {
    const { limited, pause, clock, quota, limitOf } = setUp()
    const early = quota.asks()
    clock.advance(1)
    limited()
    quota.saw(limitOf(50), early)
    assert.equal(pause(), 60)
  })

  test('does not end with an answer that grants no pulls, or does not say', () => {
    const { limited, pause, clock, quota, saw } = setUp()
    limited()
    clock.advance(1)
    saw(0)
    quota.saw(undefined, quota.asks())
    assert.equal(pause(), 59)
  })
})
