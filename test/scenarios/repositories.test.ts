// Blobs by HEAD, blobs of several repositories, and referrers.
import assert from 'node:assert/strict'
import { mkdir, writeFile } from 'node:fs/promises'
import { test } from 'node:test'
import { artifact, descriptorOf, memoryBlob, ociImage, seededBytes } from '../support/images.ts'
import { errorCodeOf, outcomeOf, pull } from '../support/pull.ts'
import { assertSound, filesBelow, keptBlobs, partialFiles } from '../support/store-tree.ts'
import { until } from '../support/until.ts'
import { gate, type Scene, startScene } from './scene.ts'

const [one, two] = ['library/one', 'library/two']
const blob = memoryBlob(seededBytes('linked', 200_000))
const large = memoryBlob(seededBytes('large', 600_000))
const hit = [200, 'hit', 'whole', blob.digest]

test('HEAD of a cold blob answers size and type and brings nothing in', async () => {
  await using scene = await startScene()
  const { hub, registry } = scene
  hub.addBlob(one, blob)
  const reply = await scene.blob(one, blob.digest, { method: 'HEAD' })
  assert.deepEqual([reply.status, reply.headers['x-cache'], reply.headers['content-length']], [200, 'miss', String(blob.size)])
  assert.deepEqual(
    [reply.headers['content-type'], reply.headers['docker-content-digest'], reply.headers['accept-ranges']],
    ['application/octet-stream', blob.digest, 'bytes'],
  )
  assert.equal(hub.count({ kind: 'cdn' }), 0)
  assert.deepEqual([await keptBlobs(registry.folder), await partialFiles(registry.folder)], [[], []])
})

test('where HEAD of a blob is a redirect, its size costs at most a byte', async () => {
  await using scene = await startScene({ hub: { blobHead: 307 } })
  const { hub } = scene
  hub.addBlob(one, blob)
  const reply = await scene.blob(one, blob.digest, { method: 'HEAD' })
  assert.deepEqual([reply.status, reply.headers['content-length']], [200, String(blob.size)])
  assert.ok(hub.bytesSent({ kind: 'cdn' }) <= 1)
})

test('HEAD of a blob on its way in says so without a question', async () => {
  await using scene = await startScene()
  const { hub } = scene
  hub.addBlob(one, blob)
  const rest = gate()
  hub.script([{ on: { kind: 'cdn' }, stallAfterBytes: 1000, until: rest.opened }])
  const client = await scene.openBlob(one, blob.digest)
  hub.clearLedger()
  const reply = await scene.blob(one, blob.digest, { method: 'HEAD' })
  assert.deepEqual([reply.status, reply.headers['x-cache'], reply.headers['content-length']], [200, 'filling', String(blob.size)])
  assert.deepEqual(hub.ledger, [])
  rest.open()
  await client.readAll()
})

test('a cached blob is linked into a second repository after the Hub has said that it is in it', async () => {
  await using scene = await startScene()
  const { hub } = scene
  for (const repository of [one, two]) hub.addBlob(repository, blob)
  await scene.blob(one, blob.digest)
  await scene.kept(one, blob.digest)
  hub.clearLedger()
  // The fill may not know yet that the store has all of it.
  const [status, verdict, ...rest] = outcomeOf(await scene.blob(two, blob.digest))
  assert.deepEqual([status, ...rest], hit.toSpliced(1, 1))
  assert.match(String(verdict), /^(?:hit|filling)$/)
  assert.deepEqual(
    hub.find({ kind: ['blob', 'cdn'], status: 200 }).map(({ method, repository }) => [method, repository]),
    [['HEAD', two]],
  )
  hub.clearLedger()
  await until('the fill is over', async () => outcomeOf(await scene.blob(two, blob.digest))[1] === 'hit')
  assert.deepEqual(outcomeOf(await scene.blob(two, blob.digest)), hit)
  assert.deepEqual(hub.ledger, [], 'the link stays')
})

const refusals: readonly (readonly [string, (scene: Scene) => unknown, number, string])[] = [
  ['does not have it', ({ hub }) => hub.add(two, ociImage({ seed: 'else' })), 404, 'BLOB_UNKNOWN'],
  ['is not ours to see', ({ hub }) => (hub.addBlob(two, blob), hub.add(two, ociImage({ seed: 'else' }), { private: true })), 403, 'DENIED'],
  ['is nowhere', () => undefined, 403, 'DENIED'],
  [
    'cannot be asked for',
    ({ hub }) => hub.script([{ on: { kind: ['blob', 'token'], repository: two }, status: 503, times: Number.POSITIVE_INFINITY }]),
    503,
    'UNAVAILABLE',
  ],
]
for (const [what, prepare, status, code] of refusals) {
  for (const state of ['cached', 'on its way in'] as const) {
    test(`a blob ${state} is not given to a repository that ${what}`, async () => {
      await using scene = await startScene()
      const { hub } = scene
      hub.addBlob(one, blob)
      if (what.startsWith('cannot')) hub.addBlob(two, blob)
      await prepare(scene)
      const rest = gate()
      hub.script([{ on: { kind: 'cdn' }, stallAfterBytes: 1000, until: rest.opened }])
      const first = await scene.openBlob(one, blob.digest)
      if (state === 'cached') {
        rest.open()
        await first.readAll()
        await scene.kept(one, blob.digest)
      }
      const reply = await scene.blob(two, blob.digest)
      assert.deepEqual([reply.status, errorCodeOf(reply)], [status, code])
      assert.equal((await scene.blob(two, blob.digest, { method: 'HEAD' })).status, status)
      rest.open()
      if (state !== 'cached') assert.equal((await first.readAll()).ending, 'whole', 'the first repository is served')
      const links = (await filesBelow(scene.registry.folder)).filter((file) => file.includes(`repositories/${two}`))
      assert.deepEqual(links, [])
    })
  }
}

test('two repositories share one transfer, and both have the blob in the end', async () => {
  await using scene = await startScene()
  const { hub } = scene
  for (const repository of [one, two]) hub.addBlob(repository, blob)
  const rest = gate()
  hub.script([{ on: { kind: 'cdn' }, stallAfterBytes: 1000, until: rest.opened }])
  const first = await scene.openBlob(one, blob.digest)
  const second = await scene.openBlob(two, blob.digest)
  assert.equal(second.headers['x-cache'], 'filling')
  rest.open()
  for (const client of [first, second]) assert.equal((await client.readAll()).ending, 'whole')
  for (const repository of [one, two]) await scene.kept(repository, blob.digest)
  assert.equal(hub.count({ kind: 'cdn' }), 1)
})

test('a fill that fails for one repository does not fail another', async () => {
  await using scene = await startScene()
  const { hub } = scene
  for (const repository of [one, two]) hub.addBlob(repository, blob)
  const answer = gate()
  hub.script([{ on: { kind: 'blob', repository: one }, holdUntil: answer.opened, status: 403 }])
  const first = scene.blob(one, blob.digest)
  await hub.seen({ kind: 'blob', repository: one })
  const second = scene.blob(two, blob.digest)
  const described = scene.blob(two, blob.digest, { method: 'HEAD' })
  await scene.arrived()
  answer.open()
  await first
  assert.deepEqual([(await second).status, (await second).ending, (await described).status], [200, 'whole', 200])
})

test('a kept blob of the wrong length is replaced when another repository asks for it', async () => {
  await using scene = await startScene()
  const { hub, registry } = scene
  hub.addBlob(two, large)
  const hex = large.digest.slice('sha256:'.length)
  const folder = `${registry.folder}/docker/registry/v2/blobs/sha256/${hex.slice(0, 2)}/${hex}`
  await mkdir(folder, { recursive: true })
  await writeFile(`${folder}/data`, 'what a crash has left')
  assert.deepEqual(outcomeOf(await scene.blob(two, large.digest)), [200, 'miss', 'whole', large.digest])
  await scene.kept(two, large.digest)
  await assertSound(registry.folder)
})

const subject = ociImage({ seed: 'subject' })
const signature = artifact({ seed: 'signature', subject: descriptorOf(subject), artifactType: 'application/vnd.example.signature' })
const referrersUrl = (scene: Scene, digest = subject.manifest.digest) => `${scene.registry.url}/v2/${one}/referrers/${digest}`

test('referrers are passed through, and remembered for the time when the Hub is away', async () => {
  await using scene = await startScene()
  const { hub } = scene
  hub.add(one, subject, { tags: ['1'] })
  hub.addReferrer(one, subject.manifest.digest, signature)
  const reply = await pull(referrersUrl(scene))
  assert.equal(reply.status, 200)
  assert.equal(reply.headers['content-type'], 'application/vnd.oci.image.index.v1+json')
  const { manifests } = JSON.parse(reply.body.toString()) as { manifests: { digest: string }[] }
  assert.deepEqual(
    manifests.map(({ digest }) => digest),
    [signature.manifest.digest],
  )
  await hub.down()
  const stale = await pull(referrersUrl(scene))
  assert.deepEqual([stale.status, stale.headers['x-cache'], stale.body], [200, 'stale', reply.body])
})

test('where nothing is known of referrers the answer is 404 in JSON, also while the Hub is away', async () => {
  await using scene = await startScene({ hub: { referrers: 'missing' } })
  const { hub } = scene
  hub.add(one, subject, { tags: ['1'] })
  for (const before of [() => undefined, () => hub.down()]) {
    await before()
    const reply = await pull(referrersUrl(scene))
    assert.deepEqual([reply.status, errorCodeOf(reply), reply.headers['content-type']], [404, 'MANIFEST_UNKNOWN', 'application/json'])
    const tag = await scene.manifest(one, subject.manifest.digest.replace(':', '-'))
    assert.deepEqual([tag.status, errorCodeOf(tag)], [404, 'MANIFEST_UNKNOWN'])
  }
})

test('the tag that stands for referrers is served like any other', async () => {
  await using scene = await startScene({ hub: { referrers: 'missing' } })
  const { hub } = scene
  hub.add(one, subject, { tags: ['1'] })
  hub.addReferrer(one, subject.manifest.digest, signature, { asTag: true })
  const tag = subject.manifest.digest.replace(':', '-')
  assert.equal((await scene.manifest(one, tag)).headers['x-cache'], 'miss')
  await hub.down()
  assert.equal((await scene.manifest(one, tag)).headers['x-cache'], 'stale')
})
