import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'node:test'
import { SqliteUsage } from '../../src/mirror/usage-sqlite.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { parseRepositoryName } from '../../src/oci/names.ts'
import { silentLog } from '../../src/telemetry/log.ts'
import { usageIndexContract } from '../contracts/usage-index.ts'

const repository = parseRepositoryName('library/one')
const blob = { repository, digest: digestOf(Buffer.from('x')), size: 1, references: undefined, usedAt: 1 }

usageIndexContract('SQLite', () => SqliteUsage.open(':memory:', silentLog))

async function inFolder(work: (file: string, folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'entrepot-usage-'))
  try {
    await work(join(folder, 'usage/index.sqlite'), folder)
  } finally {
    await rm(folder, { recursive: true })
  }
}

it('is there again for the next process, and shared with one that runs beside', async () => {
  await inFolder(async (file) => {
    await using beside = await SqliteUsage.open(file, silentLog)
    {
      await using index = await SqliteUsage.open(file, silentLog)
      await index.add([blob])
      assert.deepEqual(await beside.totals(), { bytes: 1, blobs: 1 })
    }
    await using again = await SqliteUsage.open(file, silentLog)
    assert.equal((await again.oldest(10)).length, 1)
  })
})

it('a file that is none is put aside, and a new one made', async () => {
  await inFolder(async (file, folder) => {
    await (await SqliteUsage.open(file, silentLog))[Symbol.asyncDispose]()
    await writeFile(file, 'this is no database at all, and longer than a header of one would be: '.repeat(20))
    await using index = await SqliteUsage.open(file, silentLog)
    assert.deepEqual(await index.totals(), { bytes: 0, blobs: 0 })
    assert.ok((await readdir(join(folder, 'usage'))).includes('index.sqlite.broken'))
  })
})
