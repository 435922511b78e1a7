import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { UpstreamFailure, type UpstreamFailureKind } from '../../src/content.ts'
import { penaltyMs, type RankFacts, ranked } from '../../src/mirror/source-ranking.ts'

const fine: RankFacts = { isPenalised: false, isOutOfQuota: false, troubles: 0 }

describe('the order of sources', () => {
  const cases: readonly (readonly [string, readonly Partial<RankFacts>[], string])[] = [
    ['is the given one while all is well', [{}, {}, {}], 'abc'],
    ['has who failed behind the others', [{ isPenalised: true }, {}, {}], 'bca'],
    ['has who is out of quota behind the others', [{ isOutOfQuota: true }, {}, {}], 'bca'],
    ['has who is out of quota before who failed', [{ isPenalised: true }, { isOutOfQuota: true }, {}], 'cba'],
    ['has who spoilt this blob behind the others', [{ troubles: 1 }, {}, {}], 'bca'],
    ['has who spoilt it twice behind who did once', [{ troubles: 2 }, { troubles: 1 }, { troubles: 1 }], 'bca'],
    ['has who spoilt it before who failed', [{ isPenalised: true }, { troubles: 3 }], 'ba'],
    ['is the given one again when all are the same', [{ isPenalised: true }, { isPenalised: true }], 'ab'],
  ]
  for (const [sentence, facts, expected] of cases) {
    test(sentence, () => {
      const names = ['a', 'b', 'c'].slice(0, facts.length)
      assert.equal(ranked(names, (name) => ({ ...fine, ...facts[names.indexOf(name)] })).join(''), expected)
    })
  }
})

describe('the penalty', () => {
  const cases: readonly (readonly [string, UpstreamFailureKind, number | undefined, number, number])[] = [
    ['is short after a first failure to connect', 'unreachable', undefined, 0, 15_000],
    ['is short after a first time-out', 'timeout', undefined, 0, 15_000],
    ['doubles with each failure in a row', 'unavailable', undefined, 2, 60_000],
    ['is bounded', 'unreachable', undefined, 30, 240_000],
    ['is longer after a 429', 'rate-limited', undefined, 0, 60_000],
    ['is what Retry-After says', 'rate-limited', 5, 3, 5_000],
    ['is what Retry-After says after nonsense, too', 'broken', 60, 0, 60_000],
    ['is none for a refusal, which is of one repository', 'denied', undefined, 0, 0],
    ['is none for a wrong answer, which is of one thing', 'broken', undefined, 5, 0],
    ['is due when our login is refused', 'login-refused', undefined, 0, 15_000],
  ]
  for (const [sentence, kind, retryAfterSeconds, failures, expected] of cases) {
    test(sentence, () => assert.equal(penaltyMs(new UpstreamFailure(kind, 'x', { retryAfterSeconds }), failures), expected))
  }
})
