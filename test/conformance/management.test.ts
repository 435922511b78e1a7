// OCI distribution specification 1.1, "Content Management": deletes of tags, manifests and blobs. One test per requirement.
import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, test } from 'node:test'
import { digestOf } from '../../src/oci/digest.ts'
import { artifact, descriptorOf, ociImage } from '../support/images.ts'
import { type Conforming, jsonOf, openConforming } from './conforming.ts'

const image = ociImage({ seed: 'management' })
const { digest } = image.manifest

describe('distribution-spec, content management', () => {
  let registry: Conforming
  let base = ''
  let number = 0

  before(async () => {
    registry = await openConforming()
  })
  beforeEach(async () => {
    number += 1
    await registry.push(`management/app${number}`, image, ['one', 'two'])
    base = `/v2/management/app${number}`
  })
  after(() => registry[Symbol.asyncDispose]())

  const remove = async (path: string) => (await registry.ask(`${base}/${path}`, { method: 'DELETE' })).status
  const statusOf = async (path: string, method = 'GET') => (await registry.ask(`${base}/${path}`, { method })).status

  test('Deleting tags: must be 202, then GET and HEAD are 404', async () => {
    assert.equal(await remove('manifests/one'), 202)
    for (const method of ['GET', 'HEAD']) assert.equal(await statusOf('manifests/one', method), 404)
  })

  test('Deleting tags: the manifest and its other tags stay', async () => {
    await remove('manifests/one')
    assert.deepEqual([await statusOf('manifests/two'), await statusOf(`manifests/${digest}`)], [200, 200])
    assert.deepEqual(jsonOf(await registry.ask(`${base}/tags/list`)), { name: base.slice(4), tags: ['two'] })
  })

  test('Deleting tags: one that is not there must be 404', async () => {
    for (const tag of ['absent', '.absent']) assert.equal(await remove(`manifests/${tag}`), 404)
  })

  test('Deleting manifests: must be 202, then GET and HEAD by digest and by its tags are 404', async () => {
    assert.equal(await remove(`manifests/${digest}`), 202)
    for (const reference of [digest, 'one', 'two']) {
      for (const method of ['GET', 'HEAD']) assert.equal(await statusOf(`manifests/${reference}`, method), 404)
    }
  })

  test('Deleting manifests: its tags are no longer listed', async () => {
    await remove(`manifests/${digest}`)
    const answer = await registry.ask(`${base}/tags/list`)
    assert.ok(answer.status === 404 || ((jsonOf(answer) as { tags: string[] | null }).tags ?? []).length === 0)
  })

  test('Deleting manifests: one that is not there must be 404', async () => {
    assert.equal(await remove(`manifests/${digestOf(Buffer.from('absent'))}`), 404)
    await remove(`manifests/${digest}`)
    assert.equal(await remove(`manifests/${digest}`), 404)
  })

  test('Deleting manifests: what referred is no longer listed', async () => {
    const referrer = artifact({ seed: 'management', subject: descriptorOf(image) })
    await registry.push(base.slice(4), referrer)
    const listed = async () => (jsonOf(await registry.ask(`${base}/referrers/${digest}`)) as { manifests: unknown[] }).manifests.length
    assert.equal(await listed(), 1)
    assert.equal(await remove(`manifests/${referrer.manifest.digest}`), 202)
    assert.equal(await listed(), 0)
  })

  test('Deleting manifests: it can be pushed again', async () => {
    await remove(`manifests/${digest}`)
    await registry.push(base.slice(4), image, ['one'])
    assert.deepEqual((await registry.ask(`${base}/manifests/one`)).body, image.manifest.bytes)
  })

  test('Deleting blobs: must be 202, then GET and HEAD are 404, in this repository alone', async () => {
    const blob = await registry.pushBlob(base.slice(4), Buffer.from('shared'))
    await registry.pushBlob('management/other', Buffer.from('shared'))
    assert.equal(await remove(`blobs/${blob}`), 202)
    for (const method of ['GET', 'HEAD']) assert.equal(await statusOf(`blobs/${blob}`, method), 404)
    assert.equal((await registry.ask(`/v2/management/other/blobs/${blob}`)).body.toString(), 'shared')
  })

  test('Deleting blobs: one that is not there must be 404', async () => {
    assert.equal(await remove(`blobs/${digestOf(Buffer.from('absent'))}`), 404)
  })

  test('Deleting: in a repository that is not there must be 404', async () => {
    for (const path of ['manifests/one', `manifests/${digest}`, `blobs/${[...image.blobs.keys()][0]}`]) {
      assert.equal((await registry.ask(`/v2/management/nobody/${path}`, { method: 'DELETE' })).status, 404)
    }
  })

  test('Deleting blobs: by sha512, and it can be pushed again', async () => {
    const blob = await registry.pushBlob(base.slice(4), Buffer.from('again'), 'sha512')
    assert.equal(await remove(`blobs/${blob}`), 202)
    assert.equal(await statusOf(`blobs/${blob}`), 404)
    await registry.pushBlob(base.slice(4), Buffer.from('again'), 'sha512')
    assert.equal(await statusOf(`blobs/${blob}`), 200)
  })
})
