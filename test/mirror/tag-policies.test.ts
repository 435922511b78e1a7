// Which policy holds for a tag.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TagPolicies, type TagRule } from '../../src/mirror/tag-policies.ts'
import { parseRepositoryName, parseTag } from '../../src/oci/names.ts'

const general = {
  ttlSeconds: 1,
  staleWhileRevalidateSeconds: 2,
  staleIfErrorSeconds: 3,
  staleIfDenied: true,
  staleIfDeleted: false,
  quotaReserve: 20,
}
const rules: readonly TagRule[] = [
  { match: 'library/*:latest', ttlSeconds: 10 },
  { match: 'library/**', ttlSeconds: 20, staleIfErrorSeconds: 0 },
  { match: '**:v?.*', staleWhileRevalidateSeconds: 30 },
  { match: 'ghcr.io/**:nightly', ttlSeconds: 40 },
  { match: '**:latest', ttlSeconds: 50 },
]
const policies = new TagPolicies(general, rules)

const cases: readonly (readonly [sentence: string, name: string, changes: object])[] = [
  ['a tag that no rule matches has the general policy', 'me/app:stable', {}],
  ['a rule changes what it names and leaves the rest', 'me/app:v1.2', { staleWhileRevalidateSeconds: 30 }],
  ['of two rules that match the first wins', 'library/nginx:latest', { ttlSeconds: 10 }],
  ['… alone: the second adds nothing', 'library/nginx:1.27', { ttlSeconds: 20, staleIfErrorSeconds: 0 }],
  ['one star stays within a component', 'library/deep/nginx:latest', { ttlSeconds: 20, staleIfErrorSeconds: 0 }],
  ['a question mark is one character', 'me/app:v10.2', {}],
  ['another registry is told by its host in front', 'ghcr.io/org/app:nightly', { ttlSeconds: 40 }],
  ['two stars match any repository', 'a/b/c/d:latest', { ttlSeconds: 50 }],
  ['a pattern matches the whole of a tag', 'a/b:latest-alpine', {}],
]

for (const [sentence, name, changes] of cases) {
  test(sentence, () => {
    const [repository = '', tag = ''] = name.split(':')
    assert.deepEqual(policies.of(parseRepositoryName(repository), parseTag(tag)), { ...general, ...changes })
  })
}
