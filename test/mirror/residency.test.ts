import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { canFit, createPins, isExpired, limitsOf, pressureOf } from '../../src/mirror/residency.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { parseRepositoryName, parseTag } from '../../src/oci/names.ts'

const mb = 1_000_000

describe('limits', () => {
  const cases = [
    ['bytes are bytes', { bytes: 20 * mb }, 100 * mb, 20 * mb],
    ['a share is one of the whole disk', { percent: 80 }, 100 * mb, 80 * mb],
    ['a share of an unknown disk is no limit', { percent: 80 }, undefined, undefined],
    ['nothing is no limit', undefined, 100 * mb, undefined],
  ] as const
  for (const [name, limit, disk, bytes] of cases) {
    it(name, () => assert.deepEqual(limitsOf(limit, limit, disk), { highBytes: bytes, minFreeBytes: bytes }))
  }
})

describe('pressure', () => {
  const limits = { highBytes: 100, minFreeBytes: 50 }
  const facts = { storedBytes: 0, reservedBytes: 0, freeBytes: 1000 }
  const cases = [
    ['up to the high mark nothing has to go', { storedBytes: 60, reservedBytes: 40 }, limits, undefined],
    ['above it all that is above the low mark', { storedBytes: 90, reservedBytes: 11 }, limits, { reason: 'size', bytes: 11 }],
    ['but not more than there is', { storedBytes: 10, reservedBytes: 200 }, limits, { reason: 'size', bytes: 10 }],
    ['at the least free space nothing has to go', { freeBytes: 60, reservedBytes: 10 }, limits, undefined],
    ['below it a little more goes than is missing', { freeBytes: 59, reservedBytes: 10 }, limits, { reason: 'disk', bytes: 6 }],
    ['the more pressing limit counts', { storedBytes: 101, freeBytes: 0 }, limits, { reason: 'disk', bytes: 55 }],
    ['free space that nobody knows is enough', { freeBytes: undefined }, limits, undefined],
    ['without limits nothing has to go', { storedBytes: 1e15, freeBytes: 0 }, { highBytes: undefined, minFreeBytes: undefined }, undefined],
  ] as const
  for (const [name, some, those, expected] of cases) {
    it(name, () => assert.deepEqual(pressureOf({ ...facts, ...some }, those), expected))
  }

  it('what is larger than the limit can never fit', () => {
    assert.deepEqual([canFit(100, limits), canFit(101, limits)], [true, false])
  })
})

describe('pins', () => {
  const digest = digestOf(Buffer.from('x'))
  const cases = [
    ['a repository', ['library/nginx'], 'library/nginx', [], true],
    ["Docker Hub's own without library/", ['nginx'], 'library/nginx', [], true],
    ['not another of the same name', ['nginx'], 'team/nginx', [], false],
    ['a tag', ['nginx:1.*'], 'library/nginx', ['latest', '1.27'], true],
    ['not another tag', ['nginx:1.*'], 'library/nginx', ['latest'], false],
    ['a glob across folders', ['ghcr.io/**'], 'ghcr.io/org/app', [], true],
    ['a digest', [digest], 'any/thing', [], true],
    ['another digest', [digestOf(Buffer.from('y'))], 'any/thing', [], false],
  ] as const
  for (const [name, patterns, repository, tags, expected] of cases) {
    it(name, () => {
      const content = { repository: parseRepositoryName(repository), digest, tags: tags.map(parseTag) }
      assert.equal(createPins(patterns)?.(content), expected)
    })
  }

  it('none are none', () => assert.equal(createPins([]), undefined))
})

it('what was not used for longer than its time is expired; with no time nothing ever is', () => {
  assert.deepEqual(
    [isExpired(100, 50, 150), isExpired(100, 50, 151), isExpired(100, 0, 1e15), isExpired(100, -1, 1e15)],
    [false, true, false, false],
  )
})
