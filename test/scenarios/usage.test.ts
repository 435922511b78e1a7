// What the usage index knows after pulls, restarts and crashes. It is looked at from beside, as `entrepot evict` does.
import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { SqliteUsage } from '../../src/mirror/usage-sqlite.ts'
import type { Digest } from '../../src/oci/digest.ts'
import { parseRepositoryName } from '../../src/oci/names.ts'
import { silentLog } from '../../src/telemetry/log.ts'
import { startHub } from '../support/hub/hub.ts'
import { ociImage } from '../support/images.ts'
import { until } from '../support/until.ts'
import { startChild } from './child.ts'
import { questionsTo, type Scene, startScene } from './scene.ts'

const name = 'library/some'
const repository = parseRepositoryName(name)
const image = ociImage({ seed: 'usage', layers: 2 })
const bytes = image.manifest.bytes.length + [...image.blobs.values()].reduce((sum, blob) => sum + blob.size, 0)

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'entrepot-test-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const indexIn = (root: string) => SqliteUsage.open(join(root, 'entrepot/usage/index.sqlite'), silentLog)

async function pullAll(scene: Pick<Scene, 'manifest' | 'blob' | 'kept'>): Promise<void> {
  assert.equal((await scene.manifest(name, '1')).status, 200)
  for (const digest of image.blobs.keys()) assert.equal((await scene.blob(name, digest)).ending, 'whole')
  for (const digest of image.blobs.keys()) await scene.kept(name, digest)
}

async function assertKnown(root: string, since: number): Promise<void> {
  await using index = await indexIn(root)
  assert.deepEqual(await index.totals(), { bytes, blobs: 1 + image.blobs.size })
  const [found, ...others] = await index.images({ limit: 10 })
  assert.deepEqual([found?.repository, found?.tag, found?.digest, found?.bytes], [name, '1', image.manifest.digest, bytes])
  assert.ok((found?.usedAt ?? 0) >= since)
  assert.deepEqual(others, [])
  assert.deepEqual(
    (await index.oldest(10)).map(({ digest }) => digest),
    [image.manifest.digest],
  )
}

test('what was pulled is known, also after a stop, and without the index the next start makes it again', async () => {
  await using hub = await startHub()
  hub.add('some', image, { tags: ['1'] })
  const since = Date.now()
  {
    await using scene = await startScene({ folder, proxy: { remoteurl: hub.url } })
    await pullAll(scene)
  }
  await assertKnown(folder, since)
  await rm(join(folder, 'entrepot/usage'), { recursive: true })
  {
    await using scene = await startScene({ folder, proxy: { remoteurl: hub.url } })
    await until('the log says so', () => /the usage index was made from the store" bytes=[1-9]/.test(scene.registry.log.join('')))
  }
  await assertKnown(folder, since - 2000)
})

test('kill -9 loses nothing that came, and the index is sound', async () => {
  await using hub = await startHub()
  hub.add('some', image, { tags: ['1'] })
  await using child = await startChild({ folder, upstream: hub.url })
  const questions = questionsTo(() => child)
  await pullAll(questions)
  // Clients have the last byte before the store has the blob.
  for (const digest of image.blobs.keys()) await questions.kept(repository, digest)
  await child.end('SIGKILL')
  await assertKnown(join(folder, 'store'), 0)
})

test('what another process brought in is learned when it is used', async () => {
  await using scene = await startScene({ folder })
  scene.hub.add('some', image, { tags: ['1'] })
  await pullAll(scene)
  {
    await using index = await indexIn(folder)
    for (const digest of [image.manifest.digest, ...image.blobs.keys()]) await index.drop(repository, digest as Digest)
    assert.deepEqual(await index.totals(), { bytes: 0, blobs: 0 })
  }
  await pullAll(scene)
  await scene.registry[Symbol.asyncDispose]()
  await assertKnown(folder, 0)
})

test("distribution's scheduler state tells last uses, and a broken one is put aside", async () => {
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, 'scheduler-state.json'), '{"library/x@sha256:')
  await using scene = await startScene({ folder })
  await until('it is put aside', async () => (await readdir(folder)).includes('scheduler-state.json.broken'))
  assert.match(scene.registry.log.join(''), /level=warn msg="distribution's scheduler state is broken/)
})
