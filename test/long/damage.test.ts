// 10,000 blobs, of which one in a hundred is corrupted, truncated, zeroed or deleted: the scenario of verify.test.ts at its full size.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { damageAndRepair } from '../scenarios/damage.ts'

test('1 % of 10,000 blobs is damaged: no wrong byte passes for whole, all are found and restored', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'entrepot-test-'))
  try {
    await damageAndRepair({ folder, blobs: 10_000, every: 100, largeEvery: 50 })
  } finally {
    await rm(folder, { recursive: true })
  }
})
