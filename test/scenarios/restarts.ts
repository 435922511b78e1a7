// A registry as a process of its own that a test may kill and start again on the same store, before a stand-in Hub.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach } from 'node:test'
import { type Hub, startHub } from '../support/hub/hub.ts'
import { memoryBlob, seededBytes } from '../support/images.ts'
import { type Child, type ChildOptions, startChild } from './child.ts'

export const repository = 'library/some'
export const blob = memoryBlob(seededBytes('restart', 6_000_000))
export const half = 3_000_000
export const never = new Promise<void>(() => {})

/** Of the test that runs. */
export let hub: Hub
export let store: string
let folder: string

beforeEach(async () => {
  hub = await startHub()
  folder = await mkdtemp(join(tmpdir(), 'entrepot-test-'))
  store = join(folder, 'store')
})
afterEach(async () => {
  await hub.close()
  await rm(folder, { recursive: true, force: true })
})

export function start(options: Partial<ChildOptions> = {}): Promise<Child> {
  return startChild({ folder, upstream: hub.url, ...options })
}
