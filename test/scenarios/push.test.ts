// A registry of its own: what is pushed is pulled, listed, searched and deleted, byte for byte, over real HTTP and a real folder.
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import {
  artifact,
  descriptorOf,
  digestOf,
  dockerImage,
  dockerList,
  type Image,
  nestedIndex,
  ociImage,
  ociIndex,
  seededBytes,
} from '../support/images.ts'
import { type Registry, startRegistry } from '../support/registry.ts'
import { pushImage } from '../support/servers/push.ts'
import { assertSound } from '../support/store-tree.ts'
import { until } from '../support/until.ts'
import { bytesOf } from './scene.ts'

const kinds: readonly (readonly [string, Image])[] = [
  ['an OCI image', ociImage({ seed: 'push 1', layers: 3 })],
  ['a Docker image', dockerImage({ seed: 'push 2', layers: 2 })],
  ['an OCI index with attestations', ociIndex({ seed: 'push 3' })],
  ['a Docker list', dockerList({ seed: 'push 4' })],
  ['a nested index', nestedIndex({ seed: 'push 5' })],
  ['an artifact', artifact({ seed: 'push 6' })],
  ['an image with an empty layer', dockerImage({ seed: 'push 7', emptyLayer: true })],
  ['an image with a layer of no bytes', ociImage({ seed: 'push 8', zeroByteBlob: true })],
]

interface Own extends AsyncDisposable {
  readonly registry: Registry
  readonly folder: string
}

async function startOwn(storage: object = {}, config: Record<string, unknown> = {}): Promise<Own> {
  const folder = await mkdtemp(join(tmpdir(), 'entrepot-push-'))
  const registry = await startRegistry({
    folder,
    config: { storage: { filesystem: { rootdirectory: folder }, cache: { blobdescriptor: 'inmemory' }, ...storage }, ...config },
  })
  return {
    registry,
    folder,
    async [Symbol.asyncDispose]() {
      await registry[Symbol.asyncDispose]()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

function imagesIn(image: Image): Image[] {
  return [image, ...image.children.flatMap(imagesIn)]
}

async function assertPulled(base: string, image: Image, tag: string): Promise<void> {
  for (const each of imagesIn(image)) {
    const references = each === image ? [tag, each.manifest.digest] : [each.manifest.digest]
    for (const reference of references) {
      const answer = await fetch(`${base}/manifests/${reference}`)
      assert.deepEqual([answer.status, answer.headers.get('content-type')], [200, each.manifest.mediaType])
      assert.equal(answer.headers.get('docker-content-digest'), each.manifest.digest)
      assert.deepEqual(Buffer.from(await answer.arrayBuffer()), each.manifest.bytes)
    }
    for (const [digest, blob] of each.blobs) {
      const answer = await fetch(`${base}/blobs/${digest}`)
      assert.equal(answer.status, 200)
      assert.deepEqual(Buffer.from(await answer.arrayBuffer()), await bytesOf(blob))
    }
  }
}

async function codesOf(answer: Response): Promise<string[]> {
  return ((await answer.json()) as { errors: { code: string }[] }).errors.map(({ code }) => code)
}

for (const [kind, image] of kinds) {
  test(`${kind} is pushed and pulled`, async () => {
    await using own = await startOwn()
    await pushImage(own.registry, 'team/app', image, ['1', 'latest'])
    await assertPulled(`${own.registry.url}/v2/team/app`, image, 'latest')
    const tags = await (await fetch(`${own.registry.url}/v2/team/app/tags/list`)).json()
    assert.deepEqual(tags, { name: 'team/app', tags: ['1', 'latest'] })
    assert.deepEqual(await (await fetch(`${own.registry.url}/v2/_catalog`)).json(), { repositories: ['team/app'] })
    const { results } = (await (await fetch(`${own.registry.url}/v1/search?q=app`)).json()) as { results: { name: string }[] }
    assert.deepEqual(
      results.map(({ name }) => name),
      ['team/app'],
    )
    await assertSound(own.folder)
  })
}

test('a manifest whose blobs are missing is refused with one error for each', async () => {
  await using own = await startOwn()
  const { manifest, blobs } = ociImage({ seed: 'missing', layers: 2 })
  const answer = await fetch(`${own.registry.url}/v2/team/app/manifests/latest`, {
    method: 'PUT',
    headers: { 'content-type': manifest.mediaType },
    body: new Uint8Array(manifest.bytes),
  })
  assert.equal(answer.status, 400)
  assert.deepEqual(
    await codesOf(answer),
    [...blobs.keys()].map(() => 'MANIFEST_BLOB_UNKNOWN'),
  )
  assert.equal((await fetch(`${own.registry.url}/v2/team/app/manifests/latest`)).status, 404)
})

test('validation.disabled takes such a manifest', async () => {
  await using own = await startOwn({}, { validation: { disabled: true } })
  const { manifest } = ociImage({ seed: 'missing', layers: 2 })
  const headers = { 'content-type': manifest.mediaType }
  const body = new Uint8Array(manifest.bytes)
  const answer = await fetch(`${own.registry.url}/v2/team/app/manifests/latest`, { method: 'PUT', headers, body })
  assert.equal(answer.status, 201)
})

test('a referrer is told by OCI-Subject and listed; of a subject without any the list is empty', async () => {
  await using own = await startOwn()
  const subject = ociImage({ seed: 'subject' })
  await pushImage(own.registry, 'team/app', subject, ['1'])
  const base = `${own.registry.url}/v2/team/app`
  const none = await fetch(`${base}/referrers/${subject.manifest.digest}?artifactType=a/b`)
  assert.deepEqual([none.status, none.headers.get('content-type')], [200, 'application/vnd.oci.image.index.v1+json'])
  assert.equal(none.headers.get('oci-filters-applied'), 'artifactType')
  assert.deepEqual(((await none.json()) as { manifests: unknown[] }).manifests, [])

  const referrer = artifact({ seed: 'signature', subject: descriptorOf(subject) })
  await pushImage(own.registry, 'team/app', referrer, [])
  const headers = { 'content-type': referrer.manifest.mediaType }
  const body = new Uint8Array(referrer.manifest.bytes)
  const again = await fetch(`${base}/manifests/signature`, { method: 'PUT', headers, body })
  assert.deepEqual([again.status, again.headers.get('oci-subject')], [201, subject.manifest.digest])
  const listed = (await (await fetch(`${base}/referrers/${subject.manifest.digest}`)).json()) as { manifests: { digest: string }[] }
  assert.deepEqual(
    listed.manifests.map(({ digest }) => digest),
    [referrer.manifest.digest],
  )
})

test('an upload goes on after a restart with the same http.secret', async () => {
  const bytes = seededBytes('restart', 500_000)
  await using own = await startOwn({}, { http: { addr: '127.0.0.1:0', secret: 's' } })
  const begun = await fetch(`${own.registry.url}/v2/team/app/blobs/uploads/`, { method: 'POST' })
  const sent = await fetch(begun.headers.get('location') ?? '', { method: 'PATCH', body: new Uint8Array(bytes.subarray(0, 200_000)) })
  assert.equal(sent.headers.get('range'), '0-199999')
  await using next = await startRegistry({ folder: own.folder, config: { http: { addr: '127.0.0.1:0', secret: 's' } } })
  const location = new URL(sent.headers.get('location') ?? '')
  location.port = String(next.port)
  location.searchParams.set('digest', digestOf(bytes))
  const done = await fetch(location, { method: 'PUT', body: new Uint8Array(bytes.subarray(200_000)) })
  assert.equal(done.status, 201)
  const pulled = await fetch(`${next.url}/v2/team/app/blobs/${digestOf(bytes)}`)
  assert.deepEqual(Buffer.from(await pulled.arrayBuffer()), bytes)
})

test('a push whose client dies goes on from what came', async () => {
  const bytes = seededBytes('dies', 3_000_000)
  await using own = await startOwn()
  const begun = await fetch(`${own.registry.url}/v2/team/app/blobs/uploads/`, { method: 'POST' })
  const location = (begun.headers.get('location') ?? '').replace(/\?.*$/, '')
  const dying = request(location, { method: 'PATCH', headers: { 'content-length': bytes.length } }).on('error', () => undefined)
  dying.write(bytes.subarray(0, 2_000_000))
  const rangeOf = async () => (await fetch(location)).headers.get('range')
  await until('some bytes are kept', async () => (await rangeOf()) !== '0-0')
  dying.destroy()
  // Sent with the state that the registry tells, as a client does that comes back; it may still be busy with the one that died.
  await until('the rest is taken', async () => {
    const at = Number((await rangeOf())?.slice(2)) + 1
    const headers = { 'content-range': `${at}-${bytes.length - 1}` }
    const sent = await fetch(location, { method: 'PATCH', headers, body: new Uint8Array(bytes.subarray(at)) })
    return sent.status === 202
  })
  assert.equal((await fetch(`${location}?digest=${digestOf(bytes)}`, { method: 'PUT' })).status, 201)
  await assertSound(own.folder)
})

test('deletes need storage.delete.enabled', async () => {
  const image = ociImage({ seed: 'delete' })
  const [blob] = image.blobs.keys()
  for (const enabled of [true, false]) {
    await using own = await startOwn({ delete: { enabled } })
    await pushImage(own.registry, 'team/app', image, ['1', '2'])
    const base = `${own.registry.url}/v2/team/app`
    for (const path of ['manifests/2', `manifests/${image.manifest.digest}`, `blobs/${blob}`]) {
      assert.equal((await fetch(`${base}/${path}`, { method: 'DELETE' })).status, enabled ? 202 : 405)
      assert.equal((await fetch(`${base}/${path}`)).status, enabled ? 404 : 200)
    }
    assert.equal((await fetch(`${base}/manifests/1`)).status, enabled ? 404 : 200)
  }
})

test('storage.maintenance.readonly serves and refuses pushes', async () => {
  await using own = await startOwn()
  const image = ociImage({ seed: 'read-only' })
  await pushImage(own.registry, 'team/app', image, ['1'])
  await using readOnly = await startRegistry({
    folder: own.folder,
    config: { storage: { filesystem: { rootdirectory: own.folder }, maintenance: { readonly: { enabled: true } } } },
  })
  assert.equal((await fetch(`${readOnly.url}/v2/team/app/manifests/1`)).status, 200)
  const refused = await fetch(`${readOnly.url}/v2/team/app/blobs/uploads/`, { method: 'POST' })
  assert.deepEqual([refused.status, await codesOf(refused)], [405, ['UNSUPPORTED']])
})

test('a catalog page above catalog.maxentries is refused', async () => {
  await using own = await startOwn({}, { catalog: { maxentries: 5 } })
  assert.equal((await fetch(`${own.registry.url}/v2/_catalog?n=5`)).status, 200)
  const refused = await fetch(`${own.registry.url}/v2/_catalog?n=6`)
  assert.deepEqual([refused.status, await codesOf(refused)], [400, ['PAGINATION_NUMBER_INVALID']])
})
