import assert from 'node:assert/strict'
import { mkdtemp, rm, utimes } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'node:test'
import { systemClock } from '../../src/lib/clock.ts'
import { FilesystemDriver } from '../../src/store/drivers/filesystem.ts'
import { LocalContent } from '../../src/store/local-content.ts'
import { silentLog } from '../../src/telemetry/log.ts'

it('garbage collection removes what crashed writes have left behind, and leaves running ones alone', async () => {
  const root = await mkdtemp(join(tmpdir(), 'entrepot-leftovers-'))
  try {
    const driver = new FilesystemDriver({ root })
    const content = new LocalContent({ driver, log: silentLog, clock: systemClock })
    const folder = '/docker/registry/v2/repositories/a/_manifests/tags/latest/current'
    const [old, young] = ['link.0b3f8a52-9c1d-4e7a-8f60-2d5b6c7e8a91.tmp', 'link.0b3f8a52-9c1d-4e7a-8f60-2d5b6c7e8a92.tmp']
    for (const name of [old, young]) await driver.write(`${folder}/${name}`, Buffer.from('sha256:'))
    const longAgo = Date.now() / 1000 - 2 * 60 * 60
    await utimes(driver.localFile(`${folder}/${old}`), longAgo, longAgo)
    const collect = (isDryRun: boolean) =>
      content.collectGarbage({ isDryRun, deleteUntagged: false, graceMs: 0 }, () => undefined, new AbortController().signal)
    await collect(true)
    assert.deepEqual((await driver.list(folder))?.sort(), [old, young])
    await collect(false)
    assert.deepEqual(await driver.list(folder), [young])
  } finally {
    await rm(root, { recursive: true })
  }
})
