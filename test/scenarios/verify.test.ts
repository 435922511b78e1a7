// Damaged blobs never pass for whole ones, `entrepot verify` finds all of them, and --repair brings them back.
import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { ociImage } from '../support/images.ts'
import { outcomeOf } from '../support/pull.ts'
import { filesBelow } from '../support/store-tree.ts'
import { until } from '../support/until.ts'
import { damageAndRepair } from './damage.ts'
import { layerIn, startScene } from './scene.ts'

const name = 'library/some'

test('corrupted, truncated, zeroed and deleted blobs: no wrong byte passes for whole, all are found and restored', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'entrepot-test-'))
  try {
    await damageAndRepair({ folder, blobs: 96, every: 8, largeEvery: 5 })
  } finally {
    await rm(folder, { recursive: true })
  }
})

test('a large blob that was damaged after it was served is cut before its last byte, put aside, and right the next time', async () => {
  await using scene = await startScene()
  const image = ociImage({ seed: 'served', layerBytes: 700_000 })
  scene.hub.add('some', image, { tags: ['1'] })
  const { digest, size } = layerIn(image)
  await scene.blob(name, digest)
  await scene.kept(name, digest)
  const hex = digest.slice('sha256:'.length)
  const file = join(scene.registry.folder, 'docker/registry/v2/blobs/sha256', hex.slice(0, 2), hex, 'data')
  const bytes = await readFile(file)
  await writeFile(file, bytes.with(size - 1, (bytes[size - 1] ?? 0) ^ 1))
  // What was remembered of it is believed for a second at most.
  await until('it is not served whole', async () => (await scene.blob(name, digest)).ending !== 'whole' || (await aside()).length > 0, 8000)
  await until('it is put aside', async () => (await aside()).length === 1)
  await until('it is here again', async () => (await readFile(file).catch(() => undefined))?.equals(bytes) === true)
  assert.equal(outcomeOf(await scene.blob(name, digest))[3], digest)
  async function aside(): Promise<string[]> {
    return filesBelow(join(scene.registry.folder, 'entrepot/quarantine'))
  }
})

test('a small blob that was damaged or vanished is replaced without the client noticing', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'entrepot-test-'))
  try {
    const image = ociImage({ seed: 'small', layers: 2 })
    const [damaged = '', vanished = ''] = [...image.blobs.keys()]
    const fileOf = (digest: string) => {
      const hex = digest.slice('sha256:'.length)
      return join(folder, 'docker/registry/v2/blobs/sha256', hex.slice(0, 2), hex, 'data')
    }
    await using scene = await startScene({ folder })
    scene.hub.add('some', image, { tags: ['1'] })
    for (const digest of [damaged, vanished]) {
      await scene.blob(name, digest)
      await scene.kept(name, digest)
    }
    await using restarted = await startScene({ folder })
    restarted.hub.add('some', image, { tags: ['1'] })
    const { length } = await readFile(fileOf(damaged))
    await writeFile(fileOf(damaged), Buffer.alloc(length))
    assert.equal(outcomeOf(await restarted.blob(name, vanished))[3], vanished)
    await rm(fileOf(vanished))
    for (const digest of [damaged, vanished]) assert.equal(outcomeOf(await restarted.blob(name, digest))[3], digest)
  } finally {
    await rm(folder, { recursive: true })
  }
})
