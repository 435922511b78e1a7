import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  canFetch,
  type FreshnessPolicy,
  type FreshnessVerdict,
  judge,
  mayWorkInBackground,
  type TagFacts,
} from '../../src/mirror/freshness.ts'

const policy: FreshnessPolicy = {
  ttlSeconds: 60,
  staleWhileRevalidateSeconds: 30,
  staleIfErrorSeconds: 3600,
  staleIfDenied: false,
  staleIfDeleted: false,
  quotaReserve: 20,
}
const quiet: TagFacts = { ageSeconds: 0, upstream: 'not-asked', isPaused: false, pullsLeft: undefined }

type Case = readonly [sentence: string, facts: Partial<TagFacts>, verdict: FreshnessVerdict, policy?: Partial<FreshnessPolicy>]

const before: readonly Case[] = [
  ['a tag confirmed just now is served', {}, 'serve'],
  ['a tag confirmed within its time to live is served', { ageSeconds: 59 }, 'serve'],
  ['a tag as old as its time to live is served, and asked for in the background', { ageSeconds: 60 }, 'serve-and-revalidate'],
  ['… to the end of that time', { ageSeconds: 89 }, 'serve-and-revalidate'],
  ['a tag older than both is asked for', { ageSeconds: 90 }, 'revalidate'],
  [
    'without a time to live even a tag confirmed just now is asked for',
    {},
    'revalidate',
    { ttlSeconds: 0, staleWhileRevalidateSeconds: 0 },
  ],
  ['a tag that nobody saw confirmed is asked for', { ageSeconds: undefined }, 'revalidate'],
  ['background work stops at the reserve', { ageSeconds: 60, pullsLeft: 20 }, 'serve'],
  ['… and not before', { ageSeconds: 60, pullsLeft: 21 }, 'serve-and-revalidate'],
  ['… and in a pause', { ageSeconds: 60, isPaused: true }, 'serve'],
  ['revalidation goes on at the reserve', { ageSeconds: 90, pullsLeft: 20 }, 'revalidate'],
  ['… and stops below it', { ageSeconds: 90, pullsLeft: 19 }, 'serve-stale'],
  ['in a pause what is here is served', { ageSeconds: 90, isPaused: true }, 'serve-stale'],
  ['… also when nobody saw it confirmed', { ageSeconds: undefined, isPaused: true }, 'serve-stale'],
  ['… unless it is too old to stand in', { ageSeconds: 3600, isPaused: true }, 'revalidate'],
  ['without a reserve it goes on to the end: asking is free', { ageSeconds: 90, pullsLeft: 0 }, 'revalidate', { quotaReserve: 0 }],
]

const after: readonly Case[] = [
  ['in trouble a tag confirmed a while ago stands in', { ageSeconds: 3599, upstream: 'in-trouble' }, 'serve-stale'],
  ['in trouble a tag that is too old does not stand in', { ageSeconds: 3600, upstream: 'in-trouble' }, 'refuse'],
  ['in trouble a tag that nobody saw confirmed stands in', { ageSeconds: undefined, upstream: 'in-trouble' }, 'serve-stale'],
  ['where nothing may be stale, trouble is trouble', { upstream: 'in-trouble' }, 'refuse', { staleIfErrorSeconds: 0 }],
  ['a denial is an answer, whatever is remembered', { upstream: 'denied' }, 'refuse'],
  ['… unless the operator says otherwise', { upstream: 'denied' }, 'serve-stale', { staleIfDenied: true }],
  ['… and then not for ever', { ageSeconds: 3600, upstream: 'denied' }, 'refuse', { staleIfDenied: true }],
  ['a deletion is an answer, too', { upstream: 'deleted' }, 'refuse'],
  ['… unless the operator says otherwise, of a deletion', { upstream: 'deleted' }, 'serve-stale', { staleIfDeleted: true }],
  ['a wish for denials says nothing of deletions', { upstream: 'deleted' }, 'refuse', { staleIfDenied: true }],
]

for (const [title, cases] of [
  ['before upstream is asked', before],
  ['after upstream brought no new answer', after],
] as const) {
  describe(title, () => {
    for (const [sentence, facts, verdict, changes] of cases) {
      test(sentence, () => assert.equal(judge({ ...quiet, ...facts }, { ...policy, ...changes }), verdict))
    }
  })
}

test('background work keeps off the reserve and out of pauses', () => {
  const may = (isPaused: boolean, pullsLeft: number | undefined) => mayWorkInBackground({ isPaused, pullsLeft }, policy)
  assert.deepEqual([may(false, 21), may(false, 20), may(false, undefined), may(true, undefined)], [true, false, true, false])
})

test('what a moved tag points at can be had while a pull is left and there is no pause', () => {
  const can = (isPaused: boolean, pullsLeft: number | undefined) => canFetch({ isPaused, pullsLeft })
  assert.deepEqual([can(false, 1), can(false, undefined), can(false, 0), can(true, 1)], [true, true, false, false])
})
