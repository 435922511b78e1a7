// The disk refuses. Pulls go on straight from the Hub, verified as they pass, the log says so, and nothing partial passes for whole.
import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { startHub } from '../support/hub/hub.ts'
import { memoryBlob, ociImage, seededBytes } from '../support/images.ts'
import { outcomeOf } from '../support/pull.ts'
import { assertSound, keptBlobs, partialFiles } from '../support/store-tree.ts'
import { until } from '../support/until.ts'
import { startChild } from './child.ts'
import { gate, layerIn, questionsTo, startScene } from './scene.ts'

const repository = 'library/some'
const bytes = seededBytes('disk', 3_000_000)
const blob = memoryBlob(bytes)
const whole = [200, 'miss', 'whole', blob.digest]

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'entrepot-test-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

/** Root may write anywhere, but a file where a folder should be stops it, too. */
async function block(path: string): Promise<() => Promise<void>> {
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, 'in the way')
  return () => rm(path)
}

const blocked: readonly (readonly [string, string, RegExp])[] = [
  ['partial files cannot be made', 'entrepot/fills', /level=error msg="a blob cannot be kept: no partial file can be made/],
  ['the store takes nothing', 'docker', /level=error msg="a complete blob could not be put into the store"/],
]
for (const [what, path, message] of blocked) {
  test(`${what}: pulls are right nevertheless, and kept again when the disk has recovered`, async () => {
    const recover = await block(join(folder, path))
    await using scene = await startScene({ folder })
    const { hub, registry } = scene
    hub.addBlob(repository, blob)
    for (let turn = 0; turn < 2; turn += 1) {
      const [status, , ending, digest] = outcomeOf(await scene.blob(repository, blob.digest))
      assert.deepEqual([status, ending, digest], [200, 'whole', blob.digest])
    }
    const range = await scene.blob(repository, blob.digest, { headers: { range: 'bytes=1000-1999' } })
    assert.deepEqual([range.status, range.body], [206, bytes.subarray(1000, 2000)])
    await until('the log says so', () => message.test(registry.log.join('')))
    await until('nothing partial is left', async () => (await partialFiles(folder)).length === 0)
    await assertSound(folder)

    await recover()
    await until('a pull is kept', async () => {
      assert.equal((await scene.blob(repository, blob.digest)).ending, 'whole')
      return (await keptBlobs(folder)).includes(blob.digest)
    })
    await scene.kept(repository, blob.digest)
    await assertSound(folder)
  })

  test(`${what}: wrong bytes are cut short all the same`, async () => {
    await block(join(folder, path))
    await using scene = await startScene({ folder })
    scene.hub.addBlob(repository, blob)
    for (const wrongBytes of [0, -1]) {
      scene.hub.script([{ on: { kind: 'cdn' }, wrongBytes, times: Number.POSITIVE_INFINITY }])
      const reply = await scene.blob(repository, blob.digest)
      assert.equal(reply.ending, 'fin')
      assert.ok(reply.body.length < blob.size)
      scene.hub.clearScript()
    }
    assert.deepEqual(outcomeOf(await scene.blob(repository, blob.digest)), whole)
  })

  test(`${what}: a body of no bytes does not pass for a blob that has some`, async () => {
    await block(join(folder, path))
    await using scene = await startScene({ folder })
    scene.hub.addBlob(repository, blob)
    scene.hub.script([{ on: { kind: 'cdn' }, truncateTo: 0, times: Number.POSITIVE_INFINITY }])
    assert.equal((await scene.blob(repository, blob.digest)).status, 502)
  })
}

test('a manifest that cannot be kept is served from memory, and tags are still followed', async () => {
  const recover = await block(join(folder, 'docker'))
  await using scene = await startScene({ folder })
  const { hub, registry } = scene
  const [one, two] = [ociImage({ seed: 1 }), ociImage({ seed: 2 })]
  hub.add('some', one, { tags: ['1'] })
  hub.add('some', two)
  for (const verdict of ['miss', 'revalidated', 'revalidated']) {
    assert.deepEqual(outcomeOf(await scene.manifest(repository, '1')), [200, verdict, 'whole', one.manifest.digest])
  }
  assert.equal(hub.count({ kind: 'manifest', method: 'GET', status: 200 }), 1)
  assert.match(registry.log.join(''), /level=error msg="a manifest cannot be kept: it is served from memory"/)
  hub.moveTag(repository, '1', two.manifest.digest)
  assert.deepEqual(outcomeOf(await scene.manifest(repository, '1')), [200, 'miss', 'whole', two.manifest.digest])

  await recover()
  const three = ociImage({ seed: 3 })
  hub.add('some', three, { tags: ['1'] })
  await scene.manifest(repository, '1')
  await hub.down()
  assert.deepEqual(outcomeOf(await scene.manifest(repository, '1')), [200, 'stale', 'whole', three.manifest.digest])
})

test('a disk that is full in the middle of a blob: everybody who reads goes on, each by a transfer of its own', async () => {
  await using hub = await startHub()
  hub.addBlob(repository, blob)
  const rest = gate()
  hub.script([{ on: { kind: 'cdn', range: false }, stallAfterBytes: 500_000, until: rest.opened }])
  await using child = await startChild({ folder, upstream: hub.url, largestFileBytes: 1_000_000 })
  const { openBlob, blob: pullBlob } = questionsTo(() => child)
  const clients = [await openBlob(repository, blob.digest), await openBlob(repository, blob.digest)]
  for (const client of clients) await client.readTo(400_000)
  rest.open()
  for (const client of clients) {
    const { body, ending } = await client.readAll()
    assert.equal(ending, 'whole')
    assert.deepEqual(body, bytes)
  }
  assert.match(child.log(), /level=error msg="a blob cannot be kept, the disk refuses it: clients are served straight from upstream"/)
  assert.deepEqual(await keptBlobs(join(folder, 'store')), [])
  await assertSound(join(folder, 'store'))

  hub.script([{ on: { kind: 'cdn' }, wrongBytes: -1, times: 2 }])
  const wrong = await pullBlob(repository, blob.digest)
  assert.deepEqual([wrong.ending, wrong.body.length < blob.size], ['fin', true])
  const small = ociImage({ seed: 'small' })
  hub.add('some', small, { tags: ['1'] })
  const layer = layerIn(small)
  assert.equal((await pullBlob(repository, layer.digest)).ending, 'whole')
  await questionsTo(() => child).kept(repository, layer.digest)
  await assertSound(join(folder, 'store'))
})

test('a store that is damaged counts as empty: the Hub is asked', async () => {
  await using scene = await startScene({ folder })
  const { hub, registry } = scene
  const image = ociImage({ seed: 'unreadable' })
  hub.add('some', image, { tags: ['1'] })
  // A folder in the place of a file.
  const hex = image.manifest.digest.slice('sha256:'.length)
  await mkdir(join(folder, `docker/registry/v2/blobs/sha256/${hex.slice(0, 2)}/${hex}/data`), { recursive: true })
  const reply = await scene.manifest(repository, '1')
  assert.deepEqual(outcomeOf(reply), [200, 'miss', 'whole', image.manifest.digest])
  assert.match(registry.log.join(''), /a manifest cannot be kept/)
})
