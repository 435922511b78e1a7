// What a client that pushes sees when things go wrong, over real HTTP and a real folder: each time a clear answer, the upload still
// there to go on with or cleanly gone, and nothing half-visible.
import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { digestOf, ociImage, seededBytes } from '../support/images.ts'
import { needsRootAndPackages } from '../support/packages.ts'
import { assertWhole } from '../support/pulled.ts'
import { type Registry, startRegistry } from '../support/registry.ts'
import { runProgram } from '../support/servers/program.ts'
import { pushImage } from '../support/servers/push.ts'
import { assertSound, filesBelow, keptBlobs } from '../support/store-tree.ts'
import { until } from '../support/until.ts'

const bytes = seededBytes('bad pushes', 2_000_000)
const digest = digestOf(bytes)
const repository = 'team/app'

/** The address to go on with; without the state, so that it is the same for every request. */
async function begin(registry: Registry): Promise<string> {
  const begun = await fetch(`${registry.url}/v2/${repository}/blobs/uploads/`, { method: 'POST' })
  assert.equal(begun.status, 202)
  return (begun.headers.get('location') ?? '').replace(/\?.*$/, '')
}

const patch = (location: string, body: Buffer, headers: Record<string, string> = {}) =>
  fetch(location, { method: 'PATCH', body: new Uint8Array(body), headers })
const finish = (location: string, as: string) => fetch(`${location}?digest=${as}`, { method: 'PUT' })
const blobStatus = async (registry: Registry) =>
  (await fetch(`${registry.url}/v2/${repository}/blobs/${digest}`, { method: 'HEAD' })).status
const codeOf = async (answer: Response) => ((await answer.json()) as { errors: { code: string }[] }).errors[0]?.code
const sizeOf = async (location: string) => {
  const range = (await fetch(location)).headers.get('range') ?? ''
  return range === '0-0' ? 0 : Number(range.slice(2)) + 1
}

test('a body that is cut short: what came is told, and the rest completes it', async () => {
  await using registry = await startRegistry()
  const location = await begin(registry)
  const cut = request(location, { method: 'PATCH', headers: { 'content-length': bytes.length } }).on('error', () => undefined)
  cut.write(bytes.subarray(0, 700_000))
  await until('some of it is kept', async () => (await sizeOf(location)) > 0)
  cut.destroy()
  assert.equal((await finish(location, digest)).status, 400, 'what is there is not the blob')
  assert.equal(await blobStatus(registry), 404)
  const at = await sizeOf(location)
  assert.equal((await patch(location, bytes.subarray(at), { 'content-range': `${at}-${bytes.length - 1}` })).status, 202)
  assert.equal((await finish(location, digest)).status, 201)
  await assertSound(registry.folder)
})

test('more bytes than the range says: refused, and the upload can be ended right', async () => {
  await using registry = await startRegistry()
  const location = await begin(registry)
  const refused = await patch(location, bytes, { 'content-range': '0-999' })
  assert.deepEqual([refused.status, await codeOf(refused)], [400, 'SIZE_INVALID'])
  const at = await sizeOf(location)
  assert.ok(at <= 1000)
  assert.equal((await patch(location, bytes.subarray(at))).status, 202)
  assert.equal((await finish(location, digest)).status, 201)
})

test('the wrong digest: refused, not kept, and the right one is taken afterwards', async () => {
  await using registry = await startRegistry()
  const location = await begin(registry)
  assert.equal((await patch(location, bytes)).status, 202)
  const refused = await finish(location, digestOf(Buffer.from('other')))
  assert.deepEqual([refused.status, await codeOf(refused)], [400, 'DIGEST_INVALID'])
  assert.deepEqual([await blobStatus(registry), await keptBlobs(registry.folder)], [404, []])
  assert.equal((await finish(location, digest)).status, 201)
})

test('chunks of two clients in one upload: one is in order, the other is told where it stands', async () => {
  await using registry = await startRegistry()
  const location = await begin(registry)
  const half = bytes.length / 2
  const [first, second] = [bytes.subarray(0, half), bytes.subarray(half)]
  assert.equal((await patch(location, first, { 'content-range': `0-${half - 1}` })).status, 202)
  const again = await patch(location, first, { 'content-range': `0-${half - 1}` })
  assert.deepEqual([again.status, again.headers.get('range'), await codeOf(again)], [416, `0-${half - 1}`, 'RANGE_INVALID'])
  assert.equal((await patch(location, second, { 'content-range': `${half}-${bytes.length - 1}` })).status, 202)
  assert.equal((await finish(location, digest)).status, 201)
})

test('an upload that is abandoned is in no list and no blob, and cancelling it leaves nothing', async () => {
  await using registry = await startRegistry()
  const location = await begin(registry)
  assert.equal((await patch(location, bytes)).status, 202)
  assert.deepEqual(await (await fetch(`${registry.url}/v2/_catalog`)).json(), { repositories: [] })
  assert.equal((await fetch(`${registry.url}/v2/${repository}/tags/list`)).status, 404)
  assert.equal(await blobStatus(registry), 404)
  assert.equal((await fetch(location, { method: 'DELETE' })).status, 204)
  assert.deepEqual(await filesBelow(join(registry.folder, 'docker')), [])
})

test('ten push one blob at once: all are told 201, and it is there once', async () => {
  await using registry = await startRegistry()
  const push = async () => {
    const location = await begin(registry)
    assert.equal((await patch(location, bytes)).status, 202)
    return (await finish(location, digest)).status
  }
  assert.deepEqual(
    await Promise.all(Array.from({ length: 10 }, push)),
    Array.from({ length: 10 }, () => 201),
  )
  assert.deepEqual(await keptBlobs(registry.folder), [digest])
  await assertSound(registry.folder)
})

test('two write one tag over and over: it is always one of the two, and whole', async () => {
  await using registry = await startRegistry()
  const images = ['left', 'right'].map((seed) => ociImage({ seed }))
  for (const image of images) await pushImage(registry, repository, image, ['1'])
  const digests = new Set(images.map(({ manifest }) => manifest.digest))
  await Promise.all([
    ...images.map(async (image) => {
      for (let turn = 0; turn < 10; turn += 1) await pushImage(registry, repository, image, ['1'])
    }),
    (async () => {
      for (let turn = 0; turn < 20; turn += 1) {
        const bytes = await assertWhole(`${registry.url}/v2/${repository}`, '1')
        assert.ok(digests.has(digestOf(bytes)))
      }
    })(),
  ])
  await assertSound(registry.folder)
})

test('a manifest of the wrong type, or with a layer that is not here: refused, and the tag is not there', async () => {
  await using registry = await startRegistry()
  const { manifest } = ociImage({ seed: 'wrong' })
  const put = (type: string) =>
    fetch(`${registry.url}/v2/${repository}/manifests/1`, {
      method: 'PUT',
      body: new Uint8Array(manifest.bytes),
      headers: { 'content-type': type },
    })
  for (const [type, code] of [
    ['application/vnd.docker.distribution.manifest.v2+json', 'MANIFEST_INVALID'],
    [manifest.mediaType, 'MANIFEST_BLOB_UNKNOWN'],
  ] as const) {
    const refused = await put(type)
    assert.deepEqual([refused.status, await codeOf(refused)], [400, code])
  }
  assert.equal((await fetch(`${registry.url}/v2/${repository}/manifests/1`)).status, 404)
})

describe('a disk that gets full', await needsRootAndPackages('scenarios/bad-pushes', []), () => {
  test('in the middle of a push: 503 that says so, and with room again the same upload goes on', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'entrepot-full-'))
    await runProgram('mount', ['-t', 'tmpfs', '-o', 'size=3m', 'tmpfs', folder])
    try {
      await writeFile(join(folder, 'filler'), Buffer.alloc(2_000_000))
      await using registry = await startRegistry({ folder })
      const location = await begin(registry)
      const refused = await patch(location, bytes)
      const told = await refused.text()
      assert.equal(refused.status, 503)
      assert.match(told, /"UNAVAILABLE".*the storage of the registry is full/)
      assert.equal((await finish(location, digest)).status, 400)
      assert.equal(await blobStatus(registry), 404)
      assert.equal((await fetch(`${registry.url}/v2/`)).status, 200)

      await rm(join(folder, 'filler'))
      const at = await sizeOf(location)
      assert.ok(at > 0 && at < bytes.length, `${at} bytes came before it was full`)
      assert.equal((await patch(location, bytes.subarray(at))).status, 202)
      assert.equal((await finish(location, digest)).status, 201)
      assert.equal(await blobStatus(registry), 200)
      await assertSound(folder)
    } finally {
      await runProgram('umount', [folder])
      await rm(folder, { recursive: true, force: true })
    }
  })
})
