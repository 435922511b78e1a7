import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type FreshnessPolicy, judge, type TagFacts, type Verdict } from '../../src/mirror/freshness.ts'

const policy: FreshnessPolicy = { ttlSeconds: 60, staleIfErrorSeconds: 3600 }
const always: FreshnessPolicy = { ...policy, ttlSeconds: 0 }
const never: FreshnessPolicy = { ttlSeconds: 60, staleIfErrorSeconds: 0 }

const cases: readonly (readonly [sentence: string, facts: TagFacts, policy: FreshnessPolicy, verdict: Verdict])[] = [
  ['a tag confirmed within its time to live is served', { ageSeconds: 59, upstream: 'not-asked' }, policy, 'serve'],
  ['a tag confirmed just now is served', { ageSeconds: 0, upstream: 'not-asked' }, policy, 'serve'],
  ['a tag as old as its time to live is asked for', { ageSeconds: 60, upstream: 'not-asked' }, policy, 'revalidate'],
  ['without a time to live even a tag confirmed just now is asked for', { ageSeconds: 0, upstream: 'not-asked' }, always, 'revalidate'],
  ['a tag never confirmed since the start is asked for', { ageSeconds: undefined, upstream: 'not-asked' }, policy, 'revalidate'],
  ['in trouble a tag confirmed a while ago stands in', { ageSeconds: 3599, upstream: 'in-trouble' }, policy, 'serve-stale'],
  ['in trouble a tag that is too old does not stand in', { ageSeconds: 3600, upstream: 'in-trouble' }, policy, 'refuse'],
  ['in trouble a tag never confirmed since the start stands in', { ageSeconds: undefined, upstream: 'in-trouble' }, policy, 'serve-stale'],
  ['where nothing may be stale, trouble is trouble', { ageSeconds: 0, upstream: 'in-trouble' }, never, 'refuse'],
  ['a denial is an answer, whatever is remembered', { ageSeconds: 0, upstream: 'denied' }, policy, 'refuse'],
]

for (const [sentence, facts, given, verdict] of cases) {
  test(sentence, () => assert.equal(judge(facts, given), verdict))
}
