// OCI distribution specification 1.1, "Pushing Manifests", and the tag parameters of its successor. One test per requirement.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { digestOf } from '../../src/oci/digest.ts'
import {
  artifact,
  descriptorOf,
  dockerImage,
  dockerList,
  manifestOf,
  mediaTypes,
  nestedIndex,
  ociImage,
  ociIndex,
} from '../support/images.ts'
import { codesOf, type Conforming, openConforming } from './conforming.ts'

const kinds = {
  'an OCI image': ociImage({ seed: 'manifests' }),
  'an OCI index': ociIndex({ seed: 'manifests' }),
  'an index of an index': nestedIndex({ seed: 'manifests' }),
  'a Docker image': dockerImage({ seed: 'manifests' }),
  'a Docker list': dockerList({ seed: 'manifests' }),
  'an artifact': artifact({ seed: 'manifests' }),
}
const image = kinds['an OCI image']

describe('distribution-spec, push of manifests', () => {
  let registry: Conforming

  before(async () => {
    registry = await openConforming()
    for (const each of Object.values(kinds)) await registry.push('manifests/app', each)
  })
  after(() => registry[Symbol.asyncDispose]())

  for (const [kind, { manifest }] of Object.entries(kinds)) {
    for (const reference of ['v1', manifest.digest]) {
      test(`Pushing Manifests: ${kind} by ${reference.slice(0, 6)} must be 201 with the Location where it can be pulled`, async () => {
        const answer = await registry.putManifest('manifests/app', reference, manifest)
        assert.deepEqual([answer.status, answer.headers['docker-content-digest']], [201, manifest.digest])
        const pulled = await registry.ask(String(answer.headers['location']))
        assert.deepEqual([pulled.status, pulled.headers['content-type']], [200, manifest.mediaType])
        assert.deepEqual(pulled.body, manifest.bytes)
      })
    }
  }

  test('Pushing Manifests: parameters of the Content-Type should be ignored, and are not given back', async () => {
    const headers = { 'content-type': `${image.manifest.mediaType}; charset=utf-8` }
    const path = '/v2/manifests/app/manifests/parameter'
    assert.equal((await registry.ask(path, { method: 'PUT', headers, body: image.manifest.bytes })).status, 201)
    assert.equal((await registry.ask(path)).headers['content-type'], image.manifest.mediaType)
  })

  test('Pushing Manifests: the list of blobs may be empty', async () => {
    const { manifest } = ociImage({ seed: 'manifests', layers: 0 })
    const { layers } = JSON.parse(manifest.bytes.toString()) as { layers: unknown[] }
    await registry.push('manifests/app', ociImage({ seed: 'manifests', layers: 0 }), ['empty'])
    assert.deepEqual([layers, (await registry.ask('/v2/manifests/app/manifests/empty')).body], [[], manifest.bytes])
  })

  for (const [what, { manifest }] of Object.entries({
    'an image without its blobs': ociImage({ seed: 'nowhere' }),
    'an index without its images': ociIndex({ seed: 'nowhere' }),
  })) {
    test(`Push: ${what} may be rejected, and then must be by MANIFEST_BLOB_UNKNOWN`, async () => {
      const answer = await registry.putManifest('manifests/app', 'nowhere', manifest)
      assert.deepEqual([answer.status, [...new Set(codesOf(answer))]], [400, ['MANIFEST_BLOB_UNKNOWN']])
    })

    test(`Push: ${what} is taken where validation is disabled`, async () => {
      await using lenient = await openConforming({ config: { validation: { disabled: true } } })
      assert.equal((await lenient.putManifest('manifests/app', 'sparse', manifest)).status, 201)
      assert.deepEqual((await lenient.ask('/v2/manifests/app/manifests/sparse')).body, manifest.bytes)
    })
  }

  test('Pushing Manifests: the exact bytes must be kept, white space included', async () => {
    const bytes = Buffer.from(`\n  ${image.manifest.bytes.toString().replaceAll('": ', '"  :\t')}\n\n`)
    const manifest = { mediaType: image.manifest.mediaType, bytes, digest: digestOf(bytes) }
    assert.equal((await registry.putManifest('manifests/app', 'spaced', manifest)).status, 201)
    assert.deepEqual((await registry.ask('/v2/manifests/app/manifests/spaced')).body, bytes)
  })

  test('Pushing Manifests: a tag that is pushed again points at the new one, and the old one stays by digest', async () => {
    const other = kinds['a Docker image']
    await registry.putManifest('manifests/app', 'moving', image.manifest)
    await registry.putManifest('manifests/app', 'moving', other.manifest)
    assert.deepEqual((await registry.ask('/v2/manifests/app/manifests/moving')).body, other.manifest.bytes)
    assert.equal((await registry.ask(`/v2/manifests/app/manifests/${image.manifest.digest}`)).status, 200)
  })

  const padded = (length: number) => {
    const empty = { ...(JSON.parse(image.manifest.bytes.toString()) as object), annotations: { pad: '' } }
    const { bytes } = manifestOf(mediaTypes.ociManifest, empty)
    return manifestOf(mediaTypes.ociManifest, { ...empty, annotations: { pad: 'x'.repeat(length - bytes.length) } })
  }

  test('Pushing Manifests: one of 4 MiB should be taken', async () => {
    const manifest = padded(4 * 1024 * 1024)
    assert.equal(manifest.bytes.length, 4 * 1024 * 1024)
    assert.equal((await registry.putManifest('manifests/app', 'large', manifest)).status, 201)
    assert.deepEqual((await registry.ask('/v2/manifests/app/manifests/large')).body, manifest.bytes)
  })

  test('Pushing Manifests: one above the limit should be refused with a 4xx, best 413', async () => {
    const answer = await registry.putManifest('manifests/app', 'too-large', padded(4 * 1024 * 1024 + 1))
    assert.ok(answer.status === 413 || answer.status === 400, `status ${answer.status}`)
    assert.equal((await registry.ask('/v2/manifests/app/manifests/too-large')).status, 404)
  })

  test('Pushing Manifests: by sha512', async () => {
    const digest = digestOf(image.manifest.bytes, 'sha512')
    const answer = await registry.putManifest('manifests/app', digest, image.manifest)
    assert.deepEqual([answer.status, answer.headers['docker-content-digest']], [201, digest])
    const pulled = await registry.ask(`/v2/manifests/app/manifests/${digest}`)
    assert.deepEqual([pulled.status, pulled.headers['docker-content-digest']], [200, digest])
    assert.deepEqual(pulled.body, image.manifest.bytes)
  })

  test('Pushing Manifests: by sha512 with tag parameters, the tags point at that digest', async () => {
    const digest = digestOf(image.manifest.bytes, 'sha512')
    const answer = await registry.putManifest('manifests/app', `${digest}?tag=long`, image.manifest)
    assert.deepEqual([answer.status, answer.headers['oci-tag']], [201, 'long'])
    for (const method of ['GET', 'HEAD']) {
      const { headers } = await registry.ask('/v2/manifests/app/manifests/long', { method })
      assert.equal(headers['docker-content-digest'], digest)
    }
  })

  test('Pushing Manifests with Subject: a subject that is not here must be taken, and OCI-Subject must name it', async () => {
    const subject = descriptorOf(ociImage({ seed: 'never pushed' }))
    const referrer = artifact({ seed: 'early', subject })
    await registry.push('manifests/app', referrer)
    const answer = await registry.putManifest('manifests/app', 'early', referrer.manifest)
    assert.deepEqual([answer.status, answer.headers['oci-subject']], [201, subject.digest])
    assert.equal((await registry.ask(`/v2/manifests/app/manifests/${subject.digest}`)).status, 404)
  })

  test('Pushing Manifests with Subject: one without a subject has no OCI-Subject', async () => {
    assert.equal((await registry.putManifest('manifests/app', 'plain', image.manifest)).headers['oci-subject'], undefined)
  })

  test('Pushing Manifests: by digest with tag parameters, each tag must be set and told by OCI-Tag', async () => {
    const { digest } = image.manifest
    const answer = await registry.putManifest('manifests/app', `${digest}?tag=one&tag=two&tag=three`, image.manifest)
    assert.equal(answer.status, 201)
    assert.deepEqual(String(answer.headers['oci-tag']).split(/, ?/), ['one', 'two', 'three'])
    for (const tag of ['one', 'two', 'three']) {
      const { headers } = await registry.ask(`/v2/manifests/app/manifests/${tag}`, { method: 'HEAD' })
      assert.equal(headers['docker-content-digest'], digest)
    }
  })

  test('Pushing Manifests: at least ten tag parameters must be taken, and a tag that is there moves', async () => {
    const tags = Array.from({ length: 40 }, (_, index) => `many-${index}-${'x'.repeat(100)}`)
    const [, moved = ''] = tags
    const other = ociImage({ seed: 'before' })
    await registry.push('manifests/app', other)
    assert.equal((await registry.putManifest('manifests/app', moved, other.manifest)).status, 201)
    const query = tags.map((tag) => `tag=${tag}`).join('&')
    const answer = await registry.putManifest('manifests/app', `${image.manifest.digest}?${query}`, image.manifest)
    assert.equal(answer.status, 201)
    assert.deepEqual(String(answer.headers['oci-tag']).split(/, ?/), tags)
    const { headers } = await registry.ask(`/v2/manifests/app/manifests/${moved}`, { method: 'HEAD' })
    assert.equal(headers['docker-content-digest'], image.manifest.digest)
  })

  test('Pushing Manifests: a tag parameter that is no tag is refused, and nothing is tagged', async () => {
    const answer = await registry.putManifest('manifests/app', `${image.manifest.digest}?tag=fine&tag=-bad`, image.manifest)
    assert.equal(answer.status, 400)
    assert.equal((await registry.ask('/v2/manifests/app/manifests/fine')).status, 404)
  })
})
