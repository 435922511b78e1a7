// `evict` and `verify` as an operator runs them, beside a running server.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { startScene } from '../scenarios/scene.ts'
import { ociImage } from '../support/images.ts'
import { outcomeOf } from '../support/pull.ts'
import { keptBlobs } from '../support/store-tree.ts'

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url))

async function entrepot(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, ['--import', join(import.meta.dirname, '../support/names.ts'), main, ...args])
  const printed = { stdout: '', stderr: '' }
  child.stdout.setEncoding('utf8').on('data', (text: string) => (printed.stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (printed.stderr += text))
  const [code] = (await once(child, 'close')) as [number]
  return { code, ...printed }
}

test('entrepot evict lists what would go and why, and removes it while the server runs', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'entrepot-evict-'))
  try {
    const [old, pinned] = [ociImage({ seed: 'old', layerBytes: 50_000 }), ociImage({ seed: 'pinned', layerBytes: 50_000 })]
    const file = join(folder, 'config.yml')
    const root = join(folder, 'data')
    await using scene = await startScene({ folder: root })
    const proxy = { remoteurl: scene.hub.url, maxsize: '60KB', pin: ['some:pinned'] }
    await writeFile(file, JSON.stringify({ version: 0.1, storage: { filesystem: { rootdirectory: root } }, proxy }))
    for (const [tag, image] of [
      ['pinned', pinned],
      ['old', old],
    ] as const) {
      scene.hub.add('some', image, { tags: [tag] })
      await scene.manifest('library/some', tag)
      for (const digest of image.blobs.keys()) {
        await scene.blob('library/some', digest)
        await scene.kept('library/some', digest)
      }
    }
    const before = await keptBlobs(root)
    const dry = await entrepot('evict', '--dry-run', file)
    assert.deepEqual([dry.code, dry.stderr], [0, ''])
    assert.match(dry.stdout, /^WHY +LAST USE +BYTES +WHAT\nsize +\S+Z +\d{5}  library\/some:old\n1 would go, \d{5} bytes\n$/)
    assert.deepEqual(await keptBlobs(root), before)
    const real = await entrepot('evict', '--json', file)
    assert.equal(real.code, 0, real.stderr)
    const [row, ...others] = JSON.parse(real.stdout) as { digest: string; reason: string; tags: string[] }[]
    assert.deepEqual([row?.digest, row?.reason, row?.tags, others], [old.manifest.digest, 'size', ['old'], []])
    const kept = await keptBlobs(root)
    assert.deepEqual(kept, [pinned.manifest.digest, ...pinned.blobs.keys()].sort())
    for (const digest of old.blobs.keys()) assert.equal(outcomeOf(await scene.blob('library/some', digest))[3], digest)

    const [damaged = ''] = pinned.blobs.keys()
    const hex = damaged.slice('sha256:'.length)
    const path = join(root, 'docker/registry/v2/blobs/sha256', hex.slice(0, 2), hex, 'data')
    await writeFile(path, (await readFile(path)).fill(0))
    const found = await entrepot('verify', file)
    assert.equal(found.code, 1)
    assert.ok(found.stdout.includes(`found  damaged  blob  library/some@${damaged}\n`), found.stdout)
    const repaired = await entrepot('verify', '--repair', file)
    assert.deepEqual(
      [repaired.code, repaired.stdout.split('\n')[0]],
      [0, `restored  damaged  blob  library/some@${damaged}`],
      repaired.stderr,
    )
  } finally {
    await rm(folder, { recursive: true })
  }
})

test('without proxy nothing is evicted, and it says so', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'entrepot-evict-'))
  try {
    const file = join(folder, 'config.yml')
    await writeFile(file, JSON.stringify({ version: 0.1, storage: { filesystem: { rootdirectory: folder } } }))
    const { code, stderr } = await entrepot('evict', file)
    assert.equal(code, 1)
    assert.match(stderr, /nothing is evicted without proxy/)
  } finally {
    await rm(folder, { recursive: true })
  }
})
