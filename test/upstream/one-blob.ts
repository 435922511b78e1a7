// One blob at the stand-in Hub, and transfers of it by the upstream client, for the tests of blobs.
import assert from 'node:assert/strict'
import type { BlobTransfer } from '../../src/content.ts'
import { type Hub, type HubOptions, startHub } from '../support/hub/hub.ts'
import { memoryBlob, seededBytes } from '../support/images.ts'
import { digestFrom, type Remote, repositoryOf } from './remote.ts'

export const bytes = Buffer.from(seededBytes('blobs', 300_000))
const blob = memoryBlob(bytes)
export const digest = digestFrom(blob.digest)
export const empty = memoryBlob(Buffer.alloc(0))
export const alpine = repositoryOf('alpine')
export const { signal } = new AbortController()

export async function hubWithBlob(options: HubOptions = {}): Promise<Hub> {
  const hub = await startHub(options)
  hub.addBlob('alpine', blob)
  hub.addBlob('alpine', empty)
  return hub
}

export async function transferOf(remote: Remote, range?: { start: number; end?: number }): Promise<BlobTransfer> {
  const transfer = await remote.content.openBlob(alpine, digest, range, signal)
  assert.ok(transfer !== undefined)
  return transfer
}
