// `garbage-collect`, over and over, in a process of its own beside a server that is pushed to: what was acknowledged is there.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { type Image, manifestOf, ociImage } from '../support/images.ts'
import { makeOld } from '../support/old-files.ts'
import { assertWhole } from '../support/pulled.ts'
import { startRegistry } from '../support/registry.ts'
import { pushImage } from '../support/servers/push.ts'
import { assertSound, keptBlobs } from '../support/store-tree.ts'

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url))
const strays = 40
const sweeps = 4
const pushers = 3

/** With layers that lie about as garbage already, as `strays` are: a pusher that is told of one does not send it again. */
function imageOver(stray: Image, number: number): Image {
  const image = ociImage({ seed: `pushed ${number}` })
  const [digest, layer] = [...stray.blobs].at(-1) ?? []
  if (digest === undefined || layer === undefined) throw new Error('a stray image has a layer')
  const { config, layers, ...rest } = JSON.parse(image.manifest.bytes.toString()) as { config: object; layers: object[] }
  const manifest = {
    ...rest,
    config,
    layers: [...layers, { mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip', digest, size: layer.size }],
  }
  return ociImageOf(image, manifest, new Map([...image.blobs, [digest, layer]]))
}

function ociImageOf(image: Image, manifest: object, blobs: Image['blobs']): Image {
  return { ...image, manifest: manifestOf(image.manifest.mediaType, manifest), blobs }
}

test('no push that was acknowledged loses anything to it', { timeout: 150_000 }, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'entrepot-gc-push-'))
  const root = join(folder, 'data')
  try {
    const storage = { filesystem: { rootdirectory: root }, delete: { enabled: true } }
    await writeFile(join(folder, 'config.yml'), JSON.stringify({ version: 0.1, storage }))
    await using registry = await startRegistry({ folder: root, config: { storage } })
    const garbage = Array.from({ length: strays }, (_, number) => ociImage({ seed: `stray ${number}` }))
    for (const image of garbage) await pushImage(registry, 'team/app', image, [])
    await makeOld(root)

    const acknowledged: number[] = []
    const end = new AbortController()
    const pushing = Array.from({ length: pushers }, async (_, first) => {
      for (let number = first; !end.signal.aborted; number += pushers) {
        const stray = garbage[number % strays]
        if (stray === undefined) throw new Error('there are strays')
        await pushImage(registry, 'team/app', imageOver(stray, number), [`v${number}`])
        acknowledged.push(number)
      }
    })
    for (let turn = 0; turn < sweeps; turn += 1) {
      const child = spawn(process.execPath, [main, 'garbage-collect', '--delete-untagged', '--quiet', join(folder, 'config.yml')], {
        stdio: 'ignore',
      })
      assert.deepEqual(await once(child, 'close'), [0, null])
    }
    end.abort()
    await Promise.all(pushing)

    assert.ok(acknowledged.length > pushers * sweeps, `${acknowledged.length} pushes are few`)
    for (const number of acknowledged) await assertWhole(`${registry.url}/v2/team/app`, `v${number}`)
    const kept = new Set(await keptBlobs(root))
    assert.deepEqual(
      garbage.filter(({ manifest }) => kept.has(manifest.digest)),
      [],
      'it did collect',
    )
    await assertSound(root)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})
