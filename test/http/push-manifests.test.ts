import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { digestOf } from '../../src/oci/digest.ts'
import { RegistryError, RegistryErrors } from '../../src/oci/errors.ts'
import { codesOf, ociManifest, serveOwn } from './writing.ts'

const limit = 4 * 1024 * 1024
const typed = { 'content-type': ociManifest }
const body = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: ociManifest, layers: [] }))
const digest = digestOf(body)
const subject = digestOf(Buffer.from('subject'))

function padded(length: number): Buffer {
  const empty = JSON.stringify({ schemaVersion: 2, layers: [], annotations: { x: '' } })
  return Buffer.from(empty.replace('""', `"${'x'.repeat(length - empty.length)}"`))
}

describe('a pushed manifest', () => {
  for (const [what, reference] of [
    ['by tag', 'latest'],
    ['by digest', digest],
    ['by sha512', digestOf(body, 'sha512')],
  ] as const) {
    it(`${what} is 201 with its address by digest`, async () => {
      await using serving = await serveOwn()
      const {
        status,
        headers,
        body: answered,
      } = await serving.ask(`/v2/a/b/manifests/${reference}`, { method: 'PUT', headers: typed, body })
      const kept = reference === 'latest' ? digest : reference
      assert.deepEqual([status, headers['docker-content-digest'], headers['content-length']], [201, kept, '0'])
      assert.equal(headers['location'], `http://127.0.0.1:${serving.port}/v2/a/b/manifests/${kept}`)
      assert.deepEqual([headers['oci-subject'], headers['oci-tag'], answered.length], [undefined, undefined, 0])
      assert.deepEqual(serving.store.manifests.get(`a/b@${kept}`), { bytes: body, mediaType: ociManifest })
      assert.equal(serving.store.tags.get('a/b:latest'), reference === 'latest' ? digest : undefined)
    })
  }

  it('streamed without a length is the same', async () => {
    await using serving = await serveOwn()
    const headers = { ...typed, 'transfer-encoding': 'chunked' }
    assert.equal((await serving.ask('/v2/a/b/manifests/latest', { method: 'PUT', headers, body })).status, 201)
    assert.ok(serving.store.manifests.has(`a/b@${digest}`))
  })

  it('with a subject says so', async () => {
    await using serving = await serveOwn()
    const referrer = JSON.stringify({ schemaVersion: 2, subject: { mediaType: ociManifest, digest: subject, size: 7 }, layers: [] })
    const { status, headers } = await serving.ask('/v2/a/b/manifests/sig', { method: 'PUT', headers: typed, body: referrer })
    assert.deepEqual([status, headers['oci-subject']], [201, subject])
  })

  it('by digest takes its tags from the query, each once', async () => {
    await using serving = await serveOwn()
    const path = `/v2/a/b/manifests/${digest}?tag=1.0&tag=latest&tag=1.0`
    const { status, headers } = await serving.ask(path, { method: 'PUT', headers: typed, body })
    assert.deepEqual([status, headers['oci-tag']], [201, '1.0, latest'])
    assert.deepEqual([...serving.store.tags.keys()], ['a/b:1.0', 'a/b:latest'])
  })

  it('with a tag in the query that is none is not kept at all', async () => {
    await using serving = await serveOwn()
    for (const tag of ['', '-x', 'a%2fb', '..', 'x'.repeat(129)]) {
      const answer = await serving.ask(`/v2/a/b/manifests/${digest}?tag=ok&tag=${tag}`, { method: 'PUT', headers: typed, body })
      assert.deepEqual([answer.status, codesOf(answer)], [400, ['TAG_INVALID']])
    }
    assert.equal(serving.store.manifests.size, 0)
  })

  it('of 4 MiB fits; one byte more is 413, by its length and by its bytes', async () => {
    await using serving = await serveOwn()
    assert.equal((await serving.ask('/v2/a/b/manifests/x', { method: 'PUT', headers: typed, body: padded(limit) })).status, 201)
    for (const more of [{}, { 'transfer-encoding': 'chunked' }]) {
      const answer = await serving.ask('/v2/a/b/manifests/y', { method: 'PUT', headers: { ...typed, ...more }, body: padded(limit + 1) })
      assert.deepEqual([answer.status, codesOf(answer)], [413, ['MANIFEST_INVALID']])
    }
    assert.deepEqual([...serving.store.tags.keys()], ['a/b:x'])
  })

  it('that is none is 400', async () => {
    await using serving = await serveOwn()
    for (const junk of ['', '{', '[]', 'null', '\xff']) {
      const answer = await serving.ask('/v2/a/b/manifests/x', { method: 'PUT', headers: typed, body: junk })
      assert.deepEqual([answer.status, codesOf(answer)], [400, ['MANIFEST_INVALID']])
    }
  })

  it('by a digest that is not its own is 400', async () => {
    await using serving = await serveOwn()
    const answer = await serving.ask(`/v2/a/b/manifests/${subject}`, { method: 'PUT', headers: typed, body })
    assert.deepEqual([answer.status, codesOf(answer)], [400, ['DIGEST_INVALID']])
  })

  it('by what is neither tag nor digest is 400', async () => {
    await using serving = await serveOwn()
    for (const [reference, code] of [
      ['sha256:zz', 'DIGEST_INVALID'],
      ['-x', 'TAG_INVALID'],
      ['..%2fx', 'TAG_INVALID'],
    ]) {
      const answer = await serving.ask(`/v2/a/b/manifests/${reference}`, { method: 'PUT', headers: typed, body })
      assert.deepEqual([answer.status, codesOf(answer)], [400, [code]])
    }
  })

  it('with several errors is told all of them', async () => {
    await using serving = await serveOwn()
    const unknown = (detail: string) => new RegistryError('MANIFEST_BLOB_UNKNOWN', 'blob unknown to registry', { detail })
    serving.store.pushManifest = () => Promise.reject(new RegistryErrors([unknown('one'), unknown('two')]))
    const answer = await serving.ask('/v2/a/b/manifests/x', { method: 'PUT', headers: typed, body })
    assert.equal(answer.status, 400)
    assert.deepEqual(JSON.parse(answer.body.toString()), {
      errors: [
        { code: 'MANIFEST_BLOB_UNKNOWN', message: 'blob unknown to registry', detail: 'one' },
        { code: 'MANIFEST_BLOB_UNKNOWN', message: 'blob unknown to registry', detail: 'two' },
      ],
    })
    assert.deepEqual(
      serving.log.filter(({ level }) => level !== 'debug'),
      [],
    )
  })
})
