// Manifests from the upstream: what HEAD may be trusted with, what GET verifies, and every way in which an answer can be wrong.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { gzipSync } from 'node:zlib'
import type { UpstreamFailureKind } from '../../src/content.ts'
import { type Fault, type HubOptions, startHub } from '../support/hub/hub.ts'
import { acceptAll, artifact, dockerImage, dockerList, type Image, mediaTypes, nestedIndex, ociImage, ociIndex } from '../support/images.ts'
import { failureOf, referenceOf, remoteFor, repositoryOf, tagOf } from './remote.ts'

const image = ociImage({ seed: 'manifests' })
const other = ociImage({ seed: 'manifests, later' })
const alpine = repositoryOf('alpine')
const latest = tagOf('latest')
const byDigest = referenceOf(image.manifest.digest)
const { signal } = new AbortController()

async function hubWithImage(options: HubOptions = {}) {
  const hub = await startHub(options)
  hub.add('alpine', image, { tags: ['latest'] })
  hub.add('alpine', other)
  return hub
}

const kinds: readonly [string, Image][] = [
  ['an OCI image', image],
  ['an OCI index with attestations', ociIndex({ seed: 'kinds' })],
  ['a Docker manifest list', dockerList({ seed: 'kinds' })],
  ['a Docker image', dockerImage({ seed: 'kinds' })],
  ['an artifact', artifact({ seed: 'kinds' })],
  ['a nested index', nestedIndex({ seed: 'kinds' })],
]

describe('a manifest', () => {
  for (const [name, kind] of kinds) {
    it(`that is ${name} comes as it is, by tag and by digest`, async () => {
      await using hub = await startHub({ accept: 'strict' })
      hub.add('acme/app', kind, { tags: ['v1'] })
      await using remote = remoteFor(hub.url)
      for (const reference of [tagOf('v1'), referenceOf(kind.manifest.digest)]) {
        const found = await remote.content.findManifest(repositoryOf('acme/app'), reference, signal)
        assert.deepEqual(found?.descriptor, {
          mediaType: kind.manifest.mediaType,
          digest: kind.manifest.digest,
          size: kind.manifest.bytes.length,
        })
        assert.deepEqual(Buffer.from(found?.bytes ?? []), kind.manifest.bytes)
        assert.deepEqual(found?.provenance, { verdict: 'miss' })
      }
    })
  }

  it('is described by HEAD, with everything accepted, which costs no pull', async () => {
    await using hub = await hubWithImage()
    await using remote = remoteFor(hub.url)
    const description = await remote.content.describeManifest(alpine, latest, signal)
    assert.deepEqual(description, {
      descriptor: { mediaType: mediaTypes.ociManifest, digest: image.manifest.digest, size: image.manifest.bytes.length },
      provenance: { verdict: 'miss' },
    })
    assert.equal(hub.quotaUsed(), 0)
    const sent = hub.find({ kind: 'manifest', status: 200 })[0]
    assert.equal(sent?.method, 'HEAD')
    assert.equal(sent?.headers['accept-encoding'], 'identity')
    assert.equal(sent?.headers['user-agent'], 'entrepot-test/1')
    const sorted = (list: string) => list.split(', ').sort()
    assert.deepEqual(sorted(sent?.headers.accept ?? ''), sorted(acceptAll))
  })

  it('that is not there is undefined, by HEAD and GET, by tag and digest', async () => {
    await using hub = await hubWithImage()
    await using remote = remoteFor(hub.url)
    for (const reference of [tagOf('none'), referenceOf(`sha256:${'0'.repeat(64)}`)]) {
      assert.equal(await remote.content.describeManifest(alpine, reference, signal), undefined)
      assert.equal(await remote.content.findManifest(alpine, reference, signal), undefined)
    }
  })

  it('whose tag moves between HEAD and GET is what GET said', async () => {
    await using hub = await hubWithImage()
    await using remote = remoteFor(hub.url)
    hub.moveTagAfterHead('alpine', 'latest', other.manifest.digest)
    assert.equal((await remote.content.describeManifest(alpine, latest, signal))?.descriptor.digest, image.manifest.digest)
    assert.equal((await remote.content.findManifest(alpine, latest, signal))?.descriptor.digest, other.manifest.digest)
  })

  it('brings the pull limit with it', async () => {
    await using hub = await hubWithImage({ quota: { limit: 7, windowSeconds: 3600 } })
    await using remote = remoteFor(hub.url)
    assert.equal(remote.content.rateLimit(), undefined)
    await remote.content.findManifest(alpine, latest, signal)
    const limit = remote.content.rateLimit()
    assert.deepEqual([limit?.limit, limit?.remaining, limit?.windowSeconds], [7, 6, 3600])
    assert.match(limit?.source ?? '', /127\.0\.0\.1/)
  })

  it('over the pull limit is rate-limited, in the words of either year', async () => {
    for (const message of ['new', 'old'] as const) {
      await using hub = await hubWithImage({ quota: { limit: 0, windowSeconds: 3600, message, refusesHead: true } })
      await using remote = remoteFor(hub.url)
      const failure = await failureOf(remote.content.findManifest(alpine, latest, signal), 'rate-limited')
      assert.deepEqual([failure.status, failure.retryAfterSeconds], [429, undefined])
      await failureOf(remote.content.describeManifest(alpine, latest, signal), 'rate-limited')
      assert.equal(remote.content.rateLimit()?.remaining, 0)
    }
  })
})

describe('HEAD that tells too little', () => {
  for (const fault of [
    { noDigestHeader: true },
    { noContentType: true },
    { headers: { 'Content-Type': 'text/html' } },
    { wrongDigestHeader: true },
  ]) {
    it(`(${JSON.stringify(fault)}) is followed by GET, whose bytes are not lost`, async () => {
      await using hub = await hubWithImage()
      await using remote = remoteFor(hub.url)
      hub.script([{ on: { kind: 'manifest', method: 'HEAD' }, after: 1, ...fault }])
      const description = await remote.content.describeManifest(alpine, byDigest, signal)
      assert.equal(description?.descriptor.digest, image.manifest.digest)
      assert.ok(description !== undefined && 'bytes' in description)
      assert.deepEqual(hub.unusedRules(), [])
    })
  }

  it('because it is refused (405) is not asked again for ten minutes', async () => {
    await using hub = await hubWithImage({ headRefused: 405 })
    await using remote = remoteFor(hub.url)
    for (let n = 0; n < 3; n += 1) assert.ok(await remote.content.describeManifest(alpine, latest, signal))
    assert.equal(hub.count({ method: 'HEAD', status: 405 }), 1)
    remote.clock.advance(601)
    assert.ok(await remote.content.describeManifest(alpine, latest, signal))
    assert.equal(hub.count({ method: 'HEAD', status: 405 }), 2)
  })

  it('because of 403 is tried once by GET', async () => {
    await using hub = await hubWithImage()
    await using remote = remoteFor(hub.url)
    hub.script([{ on: { method: 'HEAD' }, status: 403, times: Number.POSITIVE_INFINITY }])
    assert.ok(await remote.content.describeManifest(alpine, latest, signal))
    hub.script([{ on: { method: 'GET', kind: 'manifest' }, status: 403 }])
    await failureOf(remote.content.describeManifest(alpine, latest, signal), 'denied')
    assert.equal(hub.count({ method: 'GET', kind: 'manifest', status: [200, 403] }), 2)
  })

  it('because of 401 in spite of a token is tried once by GET, then not asked again, nor are tokens', async () => {
    await using hub = await hubWithImage({ headRefused: 401 })
    await using remote = remoteFor(hub.url)
    for (let n = 0; n < 5; n += 1) {
      assert.ok(await remote.content.describeManifest(alpine, latest, signal))
      remote.clock.advance(10)
    }
    assert.ok(hub.count({ method: 'HEAD', kind: 'manifest' }) <= 3, hub.describeLedger())
    assert.ok(hub.tokens().length <= 2, hub.describeLedger())
  })
})

describe('GET that is answered wrongly', () => {
  const cases: readonly [string, Fault, UpstreamFailureKind][] = [
    ['other bytes', { wrongBytes: true }, 'broken'],
    ['a digest that is not theirs', { wrongDigestHeader: true }, 'broken'],
    ['a login page', { html200: true }, 'broken'],
    ['a JSON error with 200', { body: '{"errors":[{"code":"UNKNOWN"}]}', headers: { 'Docker-Content-Digest': undefined } }, 'broken'],
    ['the first half', { truncateTo: 100 }, 'broken'],
    ['half of what was announced', { cutAfterBytes: 100 }, 'unreachable'],
    ['a reset in the middle', { resetAfterBytes: 100 }, 'unreachable'],
    ['more than 4 MiB', { tooLarge: true }, 'broken'],
    ['500 with a page', { status: 500 }, 'unavailable'],
    ['502 with a page', { status: 502 }, 'unavailable'],
    ['503 with a page', { status: 503 }, 'unavailable'],
    ['504 with a page', { status: 504 }, 'unavailable'],
    ['429 with a time', { status: 429, retryAfterSeconds: 30 }, 'rate-limited'],
    ['403', { status: 403 }, 'denied'],
    ['418', { status: 418 }, 'broken'],
    ['204', { status: 204, body: '' }, 'broken'],
  ]
  for (const [name, fault, kind] of cases) {
    for (const reference of [latest, byDigest]) {
      it(`(${name}) is ${kind} ${reference === latest ? 'by tag' : 'by digest'}, never undefined`, async () => {
        await using hub = await hubWithImage()
        await using remote = remoteFor(hub.url)
        await remote.content.describeManifest(alpine, latest, signal)
        hub.script([{ on: { kind: 'manifest', method: 'GET' }, ...fault }])
        await failureOf(remote.content.findManifest(alpine, reference, signal), kind)
        assert.deepEqual(hub.unusedRules(), [])
        assert.ok(await remote.content.findManifest(alpine, reference, signal))
      })
    }
  }

  for (const fault of [
    { noContentType: true },
    { headers: { 'Content-Type': 'application/octet-stream' } },
    { noDigestHeader: true },
    { noContentLength: true },
  ]) {
    it(`in a way that does not matter (${JSON.stringify(fault)}) is served`, async () => {
      await using hub = await hubWithImage()
      await using remote = remoteFor(hub.url)
      await remote.content.describeManifest(alpine, latest, signal)
      hub.script([{ on: { kind: 'manifest', method: 'GET' }, ...fault }])
      const found = await remote.content.findManifest(alpine, latest, signal)
      assert.deepEqual([found?.descriptor.mediaType, found?.descriptor.digest], [mediaTypes.ociManifest, image.manifest.digest])
      assert.deepEqual(hub.unusedRules(), [])
    })
  }

  it('by a parameter in its type keeps the type exactly as it came', async () => {
    await using hub = await hubWithImage()
    await using remote = remoteFor(hub.url)
    const type = `${mediaTypes.ociManifest}; charset=utf-8`
    hub.script([{ on: { kind: 'manifest' }, after: 1, times: 2, headers: { 'Content-Type': type } }])
    assert.equal((await remote.content.findManifest(alpine, latest, signal))?.descriptor.mediaType, type)
    assert.equal((await remote.content.describeManifest(alpine, latest, signal))?.descriptor.mediaType, type)
  })

  it('by compressing it unasked is decoded; by compressing it wrongly it is broken', async () => {
    await using hub = await hubWithImage()
    await using remote = remoteFor(hub.url)
    await remote.content.describeManifest(alpine, latest, signal)
    const gzipped = { body: gzipSync(image.manifest.bytes), headers: { 'Content-Encoding': 'gzip' } }
    hub.script([{ on: { kind: 'manifest', method: 'GET' }, ...gzipped }])
    assert.deepEqual(Buffer.from((await remote.content.findManifest(alpine, latest, signal))?.bytes ?? []), image.manifest.bytes)
    for (const encoding of ['gzip', 'br', 'compress']) {
      hub.script([{ on: { kind: 'manifest', method: 'GET' }, headers: { 'Content-Encoding': encoding } }])
      await failureOf(remote.content.findManifest(alpine, latest, signal), 'broken')
    }
  })

  it('by a bomb that is small only while compressed is broken', async () => {
    await using hub = await hubWithImage()
    await using remote = remoteFor(hub.url)
    await remote.content.describeManifest(alpine, latest, signal)
    const bomb = { body: gzipSync(Buffer.alloc(64 * 1024 * 1024, ' ')), headers: { 'Content-Encoding': 'gzip' } }
    hub.script([{ on: { kind: 'manifest', method: 'GET' }, ...bomb }])
    await failureOf(remote.content.findManifest(alpine, latest, signal), 'broken')
  })
})
