// `storage.scrub`: damage is found in the background and mended from upstream; in a store that is read-only it is only told.
import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { type Image, ociImage } from '../support/images.ts'
import { outcomeOf } from '../support/pull.ts'
import { filesBelow } from '../support/store-tree.ts'
import { until } from '../support/until.ts'
import { layerIn, type Scene, startScene } from './scene.ts'

const name = 'library/some'
const scrub = { enabled: true, interval: '1s', rate: '100MiB' }
const http = { addr: '127.0.0.1:0', debug: { addr: '127.0.0.1:0' } }
const storageWith = (folder: string, maintenance: object) => ({
  filesystem: { rootdirectory: folder },
  maintenance,
  scrub,
})

function fileOf(folder: string, digest: string): string {
  const hex = digest.slice('sha256:'.length)
  return join(folder, 'docker/registry/v2/blobs/sha256', hex.slice(0, 2), hex, 'data')
}

/** Answers the layer's file and its right bytes; on disk one of them is wrong from now on. */
async function damageLayer(folder: string, image: Image): Promise<{ file: string; right: Buffer }> {
  const file = fileOf(folder, layerIn(image).digest)
  const right = await readFile(file)
  await writeFile(file, right.with(7, (right[7] ?? 0) ^ 1))
  return { file, right }
}

async function pullWhole({ manifest, blob, kept }: Scene, image: Image): Promise<void> {
  assert.equal(outcomeOf(await manifest(name, '1'))[3], image.manifest.digest)
  for (const digest of image.blobs.keys()) {
    assert.equal(outcomeOf(await blob(name, digest))[3], digest)
    await kept(name, digest)
  }
}

const troublesOf = async ({ registry }: Scene) =>
  ((await (await fetch(`${registry.debugUrl}/readyz`)).json()) as { troubles: Record<string, string> }).troubles

test('what is damaged comes again from upstream, and what cannot be had is a trouble', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'entrepot-scrub-'))
  try {
    await using scene = await startScene({ folder, config: { http, storage: storageWith(folder, {}) } })
    const image = ociImage({ seed: 'scrub', layerBytes: 200_000 })
    scene.hub.add('some', image, { tags: ['1'] })
    await pullWhole(scene, image)
    const { file, right } = await damageLayer(folder, image)
    await until('it is mended', async () => (await readFile(file).catch(() => undefined))?.equals(right) === true)
    await until('the log says so', () => scene.registry.log.some((line) => /scrubbed what is stored.*"?restored"?[=:] ?1/.test(line)))
    assert.equal((await filesBelow(join(folder, 'entrepot/quarantine'))).length, 1)

    scene.hub.script([{ on: { kind: 'blob' }, status: 404, times: Infinity }])
    await damageLayer(folder, image)
    await until('it is told', async () => /1 damaged/.test((await troublesOf(scene))['scrub'] ?? ''))
  } finally {
    await rm(folder, { recursive: true })
  }
})

test('a store that is read-only is looked at, and nothing in it is touched', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'entrepot-scrub-'))
  try {
    const image = ociImage({ seed: 'scrub', layerBytes: 200_000 })
    {
      await using scene = await startScene({ folder })
      scene.hub.add('some', image, { tags: ['1'] })
      await pullWhole(scene, image)
    }
    const { file, right } = await damageLayer(folder, image)
    await using scene = await startScene({ folder, config: { http, storage: storageWith(folder, { readonly: { enabled: true } }) } })
    await until('it is told', async () => /read-?only/.test((await troublesOf(scene))['scrub'] ?? ''))
    const now = await readFile(file)
    assert.equal(now.length, right.length)
    assert.ok(!now.equals(right))
    assert.deepEqual(await filesBelow(join(folder, 'entrepot/quarantine')).catch(() => []), [])
  } finally {
    await rm(folder, { recursive: true })
  }
})
