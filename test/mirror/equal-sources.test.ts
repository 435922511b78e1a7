// Who is asked, in which order, and whose "none" counts. The mirrors here are scripted; scenarios/equal-sources has real ones.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type BlobTransfer, type Manifest, type Standing, UpstreamFailure } from '../../src/content.ts'
import { EqualSources } from '../../src/mirror/equal-sources.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { parseRepositoryName, parseTag } from '../../src/oci/names.ts'
import { TestClock } from '../support/clock.ts'
import { scriptedSource, silentLog, transferOf } from './scripted-source.ts'

const repository = parseRepositoryName('a/b')
const tag = parseTag('latest')
const bytes = Buffer.from('0123456789abcdefghijklmnopqrstuvwxyz')
const digest = digestOf(bytes)
const { signal } = new AbortController()
const manifest: Manifest = { descriptor: { mediaType: 'm', digest, size: bytes.length }, bytes, provenance: { verdict: 'miss' } }
const found = async () => manifest

function failing(kind: UpstreamFailure['kind'], retryAfterSeconds?: number) {
  return () => Promise.reject(new UpstreamFailure(kind, kind, { retryAfterSeconds }))
}

function setUp() {
  const clock = new TestClock()
  const [first, second, origin] = [scriptedSource(), scriptedSource(), scriptedSource()]
  const sources = [first, second, origin].map((source, at) => ({ name: `s${at}`, source }))
  const members = { first, second, origin }
  /** Who was asked since the last time, in order of the list. */
  const asked = () =>
    Object.entries(members)
      .filter(([, source]) => source.asked.splice(0).length > 0)
      .map(([name]) => name)
      .join(' ')
  return { clock, ...members, asked, equal: new EqualSources({ sources, clock, log: silentLog }) }
}

describe('a question', () => {
  test('is answered by the first source alone', async () => {
    const { equal, first, asked } = setUp()
    first.answers = { findManifest: found }
    assert.equal(await equal.findManifest(repository, tag, signal), manifest)
    assert.equal(asked(), 'first')
  })

  test('passes over mirrors that lack the thing', async () => {
    const { equal, origin, asked } = setUp()
    origin.answers = { findManifest: found }
    assert.equal(await equal.findManifest(repository, tag, signal), manifest)
    assert.equal(asked(), 'first second origin')
  })

  test('is answered by "none" from the origin only', async () => {
    const { equal, asked } = setUp()
    assert.equal(await equal.findManifest(repository, tag, signal), undefined)
    assert.equal(asked(), 'first second origin')
  })

  for (const kind of ['unreachable', 'timeout', 'unavailable', 'rate-limited', 'denied', 'login-refused', 'broken'] as const) {
    test(`goes to the next source when one is ${kind}`, async () => {
      const { equal, first, second } = setUp()
      first.answers = { describeManifest: failing(kind) }
      second.answers = { describeManifest: found }
      assert.equal(await equal.describeManifest(repository, tag, signal), manifest)
    })
  }

  test('fails as the origin failed when all did', async () => {
    const { equal, first, second, origin } = setUp()
    first.answers = { findManifest: failing('unreachable') }
    second.answers = { findManifest: failing('timeout') }
    origin.answers = { findManifest: failing('rate-limited', 7) }
    const isOrigins = (error: unknown) => error instanceof UpstreamFailure && error.kind === 'rate-limited' && error.retryAfterSeconds === 7
    await assert.rejects(equal.findManifest(repository, tag, signal), isOrigins)
  })

  test('is not "none" when the origin failed and the mirrors lack the thing', async () => {
    const { equal, origin } = setUp()
    origin.answers = { findManifest: failing('unavailable') }
    await assert.rejects(equal.findManifest(repository, tag, signal), UpstreamFailure)
  })

  test('ends with its signal, and does not go on to the next source', async () => {
    const { equal, first, asked } = setUp()
    const controller = new AbortController()
    first.answers = {
      findManifest: () => {
        controller.abort(new Error('gone'))
        return Promise.reject(controller.signal.reason)
      },
    }
    await assert.rejects(equal.findManifest(repository, tag, controller.signal), /gone/)
    assert.equal(asked(), 'first')
  })
})

describe('a source that failed', () => {
  test('is asked after the others until its penalty is over', async () => {
    const { equal, clock, first, second, asked } = setUp()
    first.answers = { findManifest: failing('unreachable') }
    second.answers = { findManifest: found }
    await equal.findManifest(repository, tag, signal)
    assert.equal(asked(), 'first second')
    await equal.findManifest(repository, tag, signal)
    assert.equal(asked(), 'second')
    clock.advance(15_000)
    first.answers = { findManifest: found }
    await equal.findManifest(repository, tag, signal)
    assert.equal(asked(), 'first')
  })

  test('is asked nevertheless when nobody else has the thing', async () => {
    const { equal, first, origin } = setUp()
    first.answers = { findManifest: failing('unreachable') }
    await equal.findManifest(repository, tag, signal)
    first.answers = { findManifest: found }
    origin.answers = { findManifest: failing('unreachable') }
    assert.equal(await equal.findManifest(repository, tag, signal), manifest)
  })

  test('is left alone for as long as it asked for', async () => {
    const { equal, clock, first, second, asked } = setUp()
    first.answers = { findManifest: failing('rate-limited', 600) }
    second.answers = { findManifest: found }
    await equal.findManifest(repository, tag, signal)
    asked()
    clock.advance(599_000)
    await equal.findManifest(repository, tag, signal)
    assert.equal(asked(), 'second')
  })
})

describe('quota', () => {
  const none: Standing = { name: 'x', pausedUntil: 0, pullsLeft: 0 }

  test('a source without pulls is not asked for a manifest that another may have', async () => {
    const { equal, first, second, asked } = setUp()
    first.answers = { standing: () => none, findManifest: found }
    second.answers = { findManifest: found }
    await equal.findManifest(repository, tag, signal)
    assert.equal(asked(), 'second')
  })

  test('a source that wants to be left alone is treated alike', async () => {
    const { equal, clock, first, second, asked } = setUp()
    first.answers = { standing: () => ({ name: 'x', pausedUntil: clock.now() + 1, pullsLeft: 5 }), findManifest: found }
    second.answers = { findManifest: found }
    await equal.findManifest(repository, tag, signal)
    assert.equal(asked(), 'second')
  })

  test('HEAD and blobs cost nothing, so they go on', async () => {
    const { equal, first, asked } = setUp()
    first.answers = { standing: () => none, describeManifest: found, openBlob: async () => transferOf(bytes) }
    await equal.describeManifest(repository, tag, signal)
    await equal.openBlob(repository, digest, undefined, signal)
    assert.equal(asked(), 'first')
  })

  test('the standing is that of the source that would be asked first', () => {
    const { equal, first, second } = setUp()
    first.answers = { standing: () => none }
    second.answers = { standing: () => ({ name: 'two', pausedUntil: 0, pullsLeft: 9 }) }
    assert.deepEqual(equal.standing(repository), { name: 'two', pausedUntil: 0, pullsLeft: 9 })
  })
})

describe('a blob', () => {
  async function readAll(transfer: BlobTransfer | undefined): Promise<string> {
    const parts: Uint8Array[] = []
    for await (const part of transfer?.body ?? []) parts.push(part)
    return Buffer.concat(parts).toString()
  }

  test('continues elsewhere when its source broke in the middle, and other blobs do not', async () => {
    const { equal, first, second, asked } = setUp()
    const breaks = { at: 20, failure: new UpstreamFailure('unreachable', 'cut') }
    first.answers = { openBlob: async (_r, _d, range) => transferOf(bytes, range, range === undefined ? breaks : undefined) }
    second.answers = { openBlob: async (_r, _d, range) => transferOf(bytes, range) }
    await assert.rejects(readAll(await equal.openBlob(repository, digest, undefined, signal)), /cut/)
    assert.equal(asked(), 'first')
    assert.equal(await readAll(await equal.openBlob(repository, digest, { start: 20 }, signal)), bytes.subarray(20).toString())
    assert.equal(asked(), 'second')
    await equal.openBlob(repository, digestOf(Buffer.from('another')), undefined, signal)
    assert.equal(asked(), 'first')
  })

  test('that is asked for again after it was delivered whole comes from elsewhere: it was wrong', async () => {
    const { equal, first, second, origin, asked } = setUp()
    for (const source of [first, second, origin]) source.answers = { openBlob: async (_r, _d, range) => transferOf(bytes, range) }
    const order: string[] = []
    for (let turn = 0; turn < 4; turn += 1) {
      await readAll(await equal.openBlob(repository, digest, undefined, signal))
      order.push(asked())
    }
    assert.deepEqual(order, ['first', 'second', 'origin', 'first'])
  })

  test('that is refused before its first byte comes from elsewhere', async () => {
    const { equal, first, second, asked } = setUp()
    first.answers = { openBlob: async () => transferOf(bytes) }
    second.answers = first.answers
    ;(await equal.openBlob(repository, digest, undefined, signal))?.close()
    asked()
    await equal.openBlob(repository, digest, undefined, signal)
    assert.equal(asked(), 'second')
  })

  test('whose reader left in the middle says nothing about its source, nor does a range of it', async () => {
    const { equal, first, asked } = setUp()
    first.answers = { openBlob: async (_r, _d, range) => transferOf(bytes, range) }
    for await (const _chunk of (await equal.openBlob(repository, digest, undefined, signal))?.body ?? []) break
    await readAll(await equal.openBlob(repository, digest, { start: 5, end: 9 }, signal))
    asked()
    await equal.openBlob(repository, digest, undefined, signal)
    assert.equal(asked(), 'first')
  })

  test('is what its source sent, also when it is read from the middle', async () => {
    const { equal, first } = setUp()
    first.answers = { openBlob: async (_r, _d, range) => transferOf(bytes, range) }
    const transfer = await equal.openBlob(repository, digest, { start: 30 }, signal)
    assert.deepEqual([transfer?.size, transfer?.start], [bytes.length, 30])
    assert.equal(await readAll(transfer), 'uvwxyz')
  })

  test('forgets its troubles after a while', async () => {
    const { equal, clock, first, second, asked } = setUp()
    first.answers = { openBlob: async () => transferOf(bytes) }
    second.answers = first.answers
    ;(await equal.openBlob(repository, digest, undefined, signal))?.close()
    clock.advance(11 * 60_000)
    asked()
    await equal.openBlob(repository, digest, undefined, signal)
    assert.equal(asked(), 'first')
  })
})
