// The same scripted requests to docker-registry (distribution 2.8) and to us: every answer is the same, but for what
// intended.ts lists with its reasons.
import assert from 'node:assert/strict'
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { needsPackages } from '../support/packages.ts'
import { startRegistry } from '../support/registry.ts'
import { startDockerRegistry } from '../support/servers/docker-registry.ts'
import { pushImage } from '../support/servers/push.ts'
import { type Intended, intended, reasonFor } from './intended.ts'
import { type Addresses, differencesOf, type Step, take } from './step.ts'
import { baseSteps } from './steps/base.ts'
import { blobSteps } from './steps/blobs.ts'
import { deleteSteps } from './steps/deletes.ts'
import { listSteps } from './steps/lists.ts'
import { manifestSteps } from './steps/manifests.ts'
import { keptImage, keptRepository, readOnlySteps } from './steps/read-only.ts'
import { uploadSteps } from './steps/uploads.ts'

const suite = 'requests compared with docker-registry'
/** The lists come first: they see the catalog while nothing is there. */
const steps = [...listSteps, ...baseSteps, ...blobSteps, ...uploadSteps, ...manifestSteps, ...deleteSteps]
const met = new Set<Intended>()

/** Fails with all differences that nobody intends. */
async function compare(script: readonly Step[], theirs: string, ours: string): Promise<void> {
  const addresses: readonly [Addresses, Addresses] = [new Map(), new Map()]
  const unlisted: string[] = []
  for (const step of script) {
    const differences = differencesOf(await take(step, theirs, addresses[0]), await take(step, ours, addresses[1]))
    for (const difference of differences) {
      const entry = reasonFor(step.what, difference)
      if (entry === undefined) {
        unlisted.push(`${step.what} | ${difference.field} | ${JSON.stringify(difference.theirs)} | ${JSON.stringify(difference.ours)}`)
      } else met.add(entry)
    }
  }
  assert.equal(unlisted.join('\n'), '', 'step | field | theirs | ours')
}

describe(suite, await needsPackages(suite, ['docker-registry']), () => {
  test('a registry of its own', async () => {
    await using theirs = await startDockerRegistry()
    await using folder = await temporaryFolder()
    await using ours = await startRegistry({ config: { storage: storageOf(folder.path), http } })
    await compare(steps, theirs.url, ours.url)
  })

  test('a read-only registry', async () => {
    await using folder = await temporaryFolder()
    {
      await using registry = await startDockerRegistry({ storageFolder: folder.path })
      await pushImage(registry, keptRepository, keptImage, ['1'])
    }
    await using copy = await temporaryFolder()
    await cp(folder.path, copy.path, { recursive: true })
    const maintenance = { readonly: { enabled: true } }
    await using theirs = await startDockerRegistry({ storageFolder: folder.path, storage: { maintenance } })
    await using ours = await startRegistry({ config: { storage: { ...storageOf(copy.path), maintenance }, http } })
    await compare(readOnlySteps, theirs.url, ours.url)
  })

  test('each step has a name of its own, and each intended difference is seen', () => {
    const names = [...steps, ...readOnlySteps].map(({ what }) => what)
    assert.deepEqual(
      names.filter((name, index) => names.indexOf(name) !== index),
      [],
    )
    assert.ok(names.length >= 150)
    assert.deepEqual(
      intended.filter((entry) => !met.has(entry)),
      [],
    )
  })
})

const http = { addr: '127.0.0.1:0', secret: 'test' }

function storageOf(folder: string): object {
  return { filesystem: { rootdirectory: folder }, delete: { enabled: true } }
}

async function temporaryFolder(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'entrepot-differential-'))
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) }
}
