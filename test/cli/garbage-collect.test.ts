// `garbage-collect` as an operator runs it: its lines, what it leaves alone, and what is gone afterwards.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { ociImage } from '../support/images.ts'
import { makeOld } from '../support/old-files.ts'
import { type Registry, startRegistry } from '../support/registry.ts'
import { pushImage } from '../support/servers/push.ts'
import { keptBlobs } from '../support/store-tree.ts'

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url))

async function entrepot(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, [main, ...args])
  const printed = { stdout: '', stderr: '' }
  child.stdout.setEncoding('utf8').on('data', (text: string) => (printed.stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (printed.stderr += text))
  const [code] = (await once(child, 'close')) as [number]
  return { code, ...printed }
}

describe('entrepot garbage-collect', () => {
  let folder: string
  let file: string
  let registry: Registry
  const kept = ociImage({ seed: 'gc kept' })
  const untagged = ociImage({ seed: 'gc untagged' })
  const deleted = ociImage({ seed: 'gc deleted' })
  const digestsOf = (image: typeof kept) => [image.manifest.digest, ...image.blobs.keys()]
  const all = [kept, untagged, deleted].flatMap(digestsOf).sort()

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'entrepot-gc-'))
    file = join(folder, 'config.yml')
    const root = join(folder, 'data')
    const storage = { filesystem: { rootdirectory: root }, delete: { enabled: true } }
    await writeFile(file, JSON.stringify({ version: 0.1, storage }))
    registry = await startRegistry({ folder: root, config: { storage } })
    await pushImage(registry, 'team/app', kept, ['1'])
    await pushImage(registry, 'team/app', untagged, [])
    await pushImage(registry, 'team/app', deleted, ['2'])
    const path = `${registry.url}/v2/team/app/manifests/${deleted.manifest.digest}`
    assert.equal((await fetch(path, { method: 'DELETE' })).status, 202)
  })
  after(async () => {
    await registry?.[Symbol.asyncDispose]()
    await rm(folder, { recursive: true, force: true })
  })

  test('leaves alone what is younger than the grace period', async () => {
    const { code, stdout } = await entrepot('garbage-collect', '-m', file)
    assert.equal(code, 0)
    assert.match(stdout, /^team\/app\n/)
    assert.match(stdout, /, 0 blobs and 0 manifests eligible for deletion\n/)
    assert.deepEqual(await keptBlobs(registry.folder), all)
  })

  test('--dry-run says what would go, and deletes nothing', async () => {
    await makeOld(registry.folder)
    const { code, stdout, stderr } = await entrepot('garbage-collect', '--dry-run', file)
    assert.equal(code, 0, stderr)
    const lines = stdout.split('\n')
    assert.ok(lines.includes(`team/app: marking manifest ${kept.manifest.digest} `))
    for (const digest of kept.blobs.keys()) assert.ok(lines.includes(`team/app: marking blob ${digest}`))
    assert.ok(lines.includes(`6 blobs marked, 3 blobs and 0 manifests eligible for deletion`), stdout)
    for (const digest of digestsOf(deleted)) assert.ok(lines.includes(`blob eligible for deletion: ${digest}`), stdout)
    assert.deepEqual(await keptBlobs(registry.folder), all)
  })

  test('deletes what nothing refers to, while the server runs', async () => {
    const { code, stderr } = await entrepot('garbage-collect', file)
    assert.equal(code, 0, stderr)
    assert.deepEqual(await keptBlobs(registry.folder), [kept, untagged].flatMap(digestsOf).sort())
    for (const image of [kept, untagged]) {
      const answer = await fetch(`${registry.url}/v2/team/app/manifests/${image.manifest.digest}`)
      assert.deepEqual(Buffer.from(await answer.arrayBuffer()), image.manifest.bytes)
    }
  })

  test('--delete-untagged takes manifests without a tag, too, and --quiet says nothing of it', async () => {
    await makeOld(registry.folder)
    assert.deepEqual(await entrepot('garbage-collect', '--delete-untagged', '-q', file), { code: 0, stdout: '', stderr: '' })
    assert.deepEqual(await keptBlobs(registry.folder), digestsOf(kept).sort())
  })

  test('a grace period that is none is said plainly', async () => {
    for (const grace of ['soon', '-1h']) {
      const { code, stdout, stderr } = await entrepot('garbage-collect', `--grace=${grace}`, file)
      assert.deepEqual([code, stdout], [1, ''])
      assert.match(stderr, /--grace .*: not a duration/)
    }
  })
})
