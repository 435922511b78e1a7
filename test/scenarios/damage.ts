// A store full of small and large blobs, of which some are damaged in all the ways in which disks and people damage files.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { memoryBlob, seededBytes } from '../support/images.ts'
import { outcomeOf } from '../support/pull.ts'
import { assertSound, keptBlobs } from '../support/store-tree.ts'
import { type Child, startChild } from './child.ts'
import { startHub } from '../support/hub/hub.ts'
import { questionsTo } from './scene.ts'

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url))
const repository = 'library/some'

export interface DamageOptions {
  readonly folder: string
  readonly blobs: number
  /** Each so many-th is damaged. */
  readonly every: number
  /** Each so many-th is large enough for the ways of sending that look at no byte. */
  readonly largeEvery: number
}

type Way = (file: string, size: number) => Promise<void>
const ways: readonly Way[] = [
  async (file, size) => writeFile(file, seededBytes('other', size)),
  async (file, size) => truncate(file, Math.floor(size / 2)),
  async (file, size) => writeFile(file, Buffer.alloc(size)),
  async (file) => rm(file),
]

interface Report {
  readonly damagedBlobs: number
  readonly findings: readonly { digest: string; what: string; outcome: string }[]
}

async function entrepot(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, ['--import', join(import.meta.dirname, '../support/names.ts'), main, ...args])
  const printed = { stdout: '', stderr: '' }
  child.stdout.setEncoding('utf8').on('data', (text: string) => (printed.stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (printed.stderr += text))
  const [code] = (await once(child, 'close')) as [number]
  return { code, ...printed }
}

/** Fills a store, damages it, verifies and repairs it beside a running server, and asks for all of it before and after. */
export async function damageAndRepair({ folder, blobs: count, every, largeEvery }: DamageOptions): Promise<void> {
  await using hub = await startHub()
  const blobs = Array.from({ length: count }, (_, at) =>
    memoryBlob(seededBytes(`blob ${at}`, at % largeEvery === 0 ? 300_000 : 500 + (at % 1000))),
  )
  for (const blob of blobs) hub.addBlob(repository, blob)
  const root = join(folder, 'store')
  {
    await using child = await startChild({ folder, upstream: hub.url })
    await inParallel(blobs, async ({ digest }) => assert.equal(await digestFrom(child, digest), digest))
    await child.end('SIGTERM')
  }
  assert.equal((await keptBlobs(root)).length, count)
  const damaged = blobs.filter((_, at) => at % every === 0)
  for (const [at, { digest, size }] of damaged.entries()) {
    const hex = digest.slice('sha256:'.length)
    await ways[at % ways.length]?.(join(root, 'docker/registry/v2/blobs/sha256', hex.slice(0, 2), hex, 'data'), size)
  }

  await using child = await startChild({ folder, upstream: hub.url })
  const file = join(folder, 'config.yml')
  const found = await entrepot('verify', '--json', file)
  assert.equal(found.code, 1, found.stderr)
  const { findings } = JSON.parse(found.stdout) as Report
  assert.deepEqual(findings.map(({ digest }) => digest).sort(), damaged.map(({ digest }) => digest).sort())
  // Half of them is found by clients first: they get the right bytes, or not all.
  await inParallel(damaged.slice(0, damaged.length / 2), async ({ digest }) => {
    const [, , ending, actual] = outcomeOf(await questionsTo(() => child).blob(repository, digest))
    if (ending === 'whole') assert.equal(actual, digest)
  })
  const repaired = await entrepot('verify', '--repair', '--json', file)
  assert.equal(repaired.code, 0, repaired.stdout.slice(0, 2000) + repaired.stderr)
  const again = await entrepot('verify', file)
  assert.deepEqual([again.code, again.stdout.includes(`${count} blobs, `)], [0, true], again.stdout)
  await inParallel(blobs, async ({ digest }) => assert.equal(await digestFrom(child, digest), digest))
  await assertSound(root)
}

async function digestFrom(child: Child, digest: string): Promise<unknown> {
  return outcomeOf(await questionsTo(() => child).blob(repository, digest))[3]
}

async function inParallel<Item>(items: readonly Item[], work: (item: Item) => Promise<unknown>): Promise<void> {
  const queue = items.values()
  await Promise.all(
    Array.from({ length: 16 }, async () => {
      for (const item of queue) await work(item)
    }),
  )
}
