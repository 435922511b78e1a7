// What upstream does not have or refuses is not asked again for a while; trouble is never remembered.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { UpstreamFailure, type UpstreamFailureKind } from '../../src/content.ts'
import { NegativeAnswers } from '../../src/mirror/negative-answers.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { parseRepositoryName, parseTag } from '../../src/oci/names.ts'
import { TestClock } from '../support/clock.ts'
import { scriptedSource } from './scripted-source.ts'

const repository = parseRepositoryName('a/b')
const other = parseRepositoryName('a/c')
const [tag, otherTag] = [parseTag('one'), parseTag('two')]
const digest = digestOf(Buffer.from('x'))
const { signal } = new AbortController()
const description = { descriptor: { mediaType: 'm', digest, size: 1 }, provenance: { verdict: 'miss' } } as const
const page = { n: undefined, last: undefined }
const refuse = (kind: UpstreamFailureKind) => () => Promise.reject(new UpstreamFailure(kind, kind))

function setUp(ttlMs = 10_000) {
  const clock = new TestClock()
  const source = scriptedSource()
  const negative = new NegativeAnswers({ source, ttlMs, clock })
  /** How many questions got through to upstream since the last time. */
  const asked = () => source.asked.splice(0).length
  const head = (name = repository, of = tag) => negative.describeManifest(name, of, signal)
  return { clock, source, negative, asked, head }
}

describe('what there is not', () => {
  test('is not asked for again before its time is over', async () => {
    const { clock, asked, head } = setUp()
    assert.equal(await head(), undefined)
    clock.advance(9_999)
    assert.equal(await head(), undefined)
    assert.equal(asked(), 1)
    clock.advance(1)
    await head()
    assert.equal(asked(), 1)
  })

  test('is known by HEAD and GET alike', async () => {
    const { negative, asked, head } = setUp()
    await head()
    assert.equal(await negative.findManifest(repository, tag, signal), undefined)
    await negative.describeBlob(repository, digest, signal)
    assert.equal(await negative.openBlob(repository, digest, undefined, signal), undefined)
    assert.equal(asked(), 2)
  })

  test('says nothing of other tags, repositories and kinds of content', async () => {
    const { negative, asked, head } = setUp()
    await head()
    await head(repository, otherTag)
    await head(other)
    await negative.describeManifest(repository, digest, signal)
    await negative.describeBlob(repository, digest, signal)
    await negative.listTags(repository, page, signal)
    await negative.listReferrers(repository, digest, undefined, signal)
    await negative.listReferrers(repository, digest, 'application/x', signal)
    assert.equal(asked(), 8)
  })

  test('is always asked for where nothing is to be remembered', async () => {
    const { asked, head } = setUp(0)
    for (let n = 0; n < 3; n += 1) await head()
    assert.equal(asked(), 3)
  })

  test('comes back with upstream’s next answer after the time', async () => {
    const { clock, source, asked, head } = setUp()
    await head()
    clock.advance(10_000)
    source.answers = { describeManifest: async () => description }
    assert.equal(await head(), description)
    source.answers = {}
    asked()
    await head()
    assert.equal(asked(), 1, 'what was remembered is cleared')
  })
})

describe('a refusal', () => {
  test('is of the whole repository, by the same words', async () => {
    const { source, negative, asked, head } = setUp()
    source.answers = { describeManifest: refuse('denied') }
    for (let n = 0; n < 3; n += 1) await assert.rejects(head(), { kind: 'denied' })
    await assert.rejects(head(repository, otherTag), { kind: 'denied' })
    await assert.rejects(negative.openBlob(repository, digest, undefined, signal), { kind: 'denied' })
    await assert.rejects(negative.listTags(repository, page, signal), { kind: 'denied' })
    assert.equal(asked(), 1)
    await assert.rejects(head(other), { kind: 'denied' })
    assert.equal(asked(), 1)
  })

  test('of a blob is of that blob alone: it may be the CDN’s', async () => {
    const { source, negative, asked, head } = setUp()
    source.answers = { openBlob: refuse('denied'), describeManifest: async () => description }
    for (let n = 0; n < 2; n += 1) await assert.rejects(negative.openBlob(repository, digest, undefined, signal), { kind: 'denied' })
    assert.equal(asked(), 1)
    assert.equal(await head(), description)
  })

  test('is over when its time is', async () => {
    const { clock, source, head } = setUp()
    source.answers = { describeManifest: refuse('denied') }
    await assert.rejects(head())
    source.answers = { describeManifest: async () => description }
    await assert.rejects(head())
    clock.advance(10_000)
    assert.equal(await head(), description)
  })
})

for (const kind of ['unreachable', 'timeout', 'unavailable', 'rate-limited', 'login-refused', 'broken'] as const) {
  test(`trouble is not remembered: ${kind}`, async () => {
    const { source, asked, head } = setUp()
    source.answers = { describeManifest: refuse(kind) }
    for (let n = 0; n < 2; n += 1) await assert.rejects(head(), { kind })
    assert.equal(asked(), 2)
    source.answers = { describeManifest: async () => description }
    assert.equal(await head(), description)
  })
}
