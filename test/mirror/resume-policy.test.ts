import assert from 'node:assert/strict'
import { test } from 'node:test'
import { UpstreamFailure, type UpstreamFailureKind, type UpstreamFailureOptions } from '../../src/content.ts'
import { afterBreak } from '../../src/mirror/resume-policy.ts'

const failure = (kind: UpstreamFailureKind, options: UpstreamFailureOptions = {}) => new UpstreamFailure(kind, 'trouble', options)
const giveUp = (times: number) => Array<'give-up'>(times).fill('give-up')
const waits = (broken: UpstreamFailure) => Array.from({ length: 7 }, (_, attempt) => afterBreak({ failure: broken, attempt }))

const cases: readonly (readonly [string, UpstreamFailure, readonly (number | 'give-up')[]])[] = [
  [
    'a cut connection is tried again at once, then with growing pauses',
    failure('unreachable'),
    [0, 500, 1000, 2000, 5000, 10_000, 'give-up'],
  ],
  ['a stalled transfer, too', failure('timeout'), [0, 500, 1000, 2000, 5000, 10_000, 'give-up']],
  ['a server error, too', failure('unavailable', { status: 503 }), [0, 500, 1000, 2000, 5000, 10_000, 'give-up']],
  ['a denial is worth one more try, with a new signed address', failure('denied', { status: 403 }), [0, ...giveUp(6)]],
  ['nonsense is worth two more tries', failure('broken'), [0, 500, ...giveUp(5)]],
  ['nonsense that asks for a pause gets it', failure('broken', { retryAfterSeconds: 20 }), [20_000, 20_000, ...giveUp(5)]],
  ['what asks for a long pause is final', failure('unavailable', { retryAfterSeconds: 31 }), giveUp(7)],
  [
    'a rate limit gets the pause that it asks for',
    failure('rate-limited', { retryAfterSeconds: 30 }),
    [...Array<number>(6).fill(30_000), 'give-up'],
  ],
  [
    'a rate limit that names no pause gets five seconds at least',
    failure('rate-limited'),
    [5000, 5000, 5000, 5000, 5000, 10_000, 'give-up'],
  ],
  ['a rate limit that asks for more patience than clients have is final', failure('rate-limited', { retryAfterSeconds: 31 }), giveUp(7)],
]

for (const [sentence, broken, expected] of cases) {
  test(sentence, () => assert.deepEqual(waits(broken), expected))
}
