// A cache that is asked for far more than it may keep, for a while: no pull fails or reads a wrong byte, the store stays within 2 % above
// proxy.maxsize, pinned images are all there at the end, and so is the hottest tenth.
import assert from 'node:assert/strict'
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { ociImage, seededRandom } from '../support/images.ts'
import { outcomeOf } from '../support/pull.ts'
import { assertSound, keptBlobs } from '../support/store-tree.ts'
import { until } from '../support/until.ts'
import { startScene } from '../scenarios/scene.ts'

const durationMs = 60_000
const images = 120
const layerBytes = 300_000
const maxBytes = 12_000_000
const clients = 8

test('far more than fits is pulled by eight clients for a minute', async () => {
  await using scene = await startScene({
    proxy: { maxsize: String(maxBytes), pin: ['some:pinned-*'] },
  })
  const { hub, registry } = scene
  hub.settings.quota = undefined
  const all = Array.from({ length: images }, (_, at) => ({
    tag: at < 5 ? `pinned-${at}` : `tag-${at}`,
    image: ociImage({ seed: `long ${at}`, layerBytes }),
  }))
  for (const { tag, image } of all) hub.add('some', image, { tags: [tag] })
  const hot = all.slice(5, 5 + 10)
  const random = seededRandom('eviction under load')
  let [pulls, most] = [0, 0]
  const pull = async ({ tag, image }: (typeof all)[number]) => {
    assert.equal(outcomeOf(await scene.manifest('library/some', tag))[3], image.manifest.digest)
    for (const digest of image.blobs.keys()) assert.equal(outcomeOf(await scene.blob('library/some', digest))[3], digest)
    pulls += 1
  }
  for (const each of all.slice(0, 5)) await pull(each)
  const endsAt = performance.now() + durationMs
  const isOver = () => performance.now() > endsAt
  const client = async () => {
    while (!isOver()) {
      // Four of five pulls are for the hottest images.
      const from = random() < 0.8 ? hot : all
      const each = from[Math.floor(random() * from.length)]
      if (each !== undefined) await pull(each)
    }
  }
  const watch = async () => {
    while (!isOver()) most = Math.max(most, await bytesBelow(registry.folder))
  }
  await Promise.all([...Array.from({ length: clients }, client), watch()])
  assert.ok(most <= maxBytes * 1.02, `the store came to ${most} bytes, ${((most / maxBytes) * 100).toFixed(2)} %`)
  const kept = new Set(await keptBlobs(registry.folder))
  for (const { tag, image } of [...all.slice(0, 5), ...hot])
    for (const digest of image.blobs.keys()) assert.ok(kept.has(digest), `${tag} is not here after ${pulls} pulls`)
  assert.ok(/evicted what was not used for long/.test(registry.log.join('')))
  await until('no fill runs', async () => (await readdir(join(registry.folder, 'entrepot/fills')).catch(() => [])).length <= 1)
  await assertSound(registry.folder)
  console.log(`${pulls} pulls; the store came to ${((most / maxBytes) * 100).toFixed(2)} % of the high mark`)
})

/** Blobs, and what is on its way in. */
async function bytesBelow(folder: string): Promise<number> {
  let bytes = 0
  for (const part of ['docker/registry/v2/blobs', 'entrepot/fills']) {
    const entries = await readdir(join(folder, part), { recursive: true, withFileTypes: true }).catch(() => [])
    for (const entry of entries) {
      // Gone since: then it counts no more.
      if (entry.isFile() && entry.name !== 'owner')
        bytes += (await stat(join(entry.parentPath, entry.name)).catch(() => ({ size: 0 }))).size
    }
  }
  return bytes
}
