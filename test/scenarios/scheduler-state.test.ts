// A docker-registry that was a proxy leaves `scheduler-state.json` in the folder. It is its property: after us it starts again.
import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { ociImage } from '../support/images.ts'
import { startRegistry } from '../support/registry.ts'
import { pushImage } from '../support/servers/push.ts'
import { startScene } from './scene.ts'

const image = ociImage({ seed: 'scheduled' })

function stateOf(repository: string): string {
  const entries = [...image.blobs.keys(), image.manifest.digest].map((digest, index) => {
    const key = `${repository}@${digest}`
    return [key, { Key: key, ExpiryData: '2026-11-28T01:38:26.123456789Z', EntryType: index === image.blobs.size ? 1 : 0 }]
  })
  return JSON.stringify(Object.fromEntries(entries))
}

test('scheduler-state.json stays byte for byte, whether we mirror or keep our own', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'entrepot-scheduler-'))
  const [file, state] = [join(folder, 'scheduler-state.json'), stateOf('library/some')]
  try {
    await writeFile(file, state)
    {
      await using scene = await startScene({ folder })
      scene.hub.add('library/some', image, { tags: ['1'] })
      assert.equal((await scene.manifest('library/some', '1')).status, 200)
      for (const digest of image.blobs.keys()) assert.equal((await scene.blob('library/some', digest)).status, 200)
    }
    assert.equal(await readFile(file, 'utf8'), state)
    {
      await using registry = await startRegistry({ folder })
      await pushImage(registry, 'team/app', image, ['1'])
      assert.deepEqual(await (await fetch(`${registry.url}/v2/_catalog`)).json(), { repositories: ['library/some', 'team/app'] })
    }
    assert.equal(await readFile(file, 'utf8'), state)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})
