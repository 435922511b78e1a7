// What lies in a store's folder after the trouble: every blob is what its name says, and nothing partial is left.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'

/** Files below a folder, as paths from it; none for a folder that is not there. */
export async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => [])
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .toSorted()
}

/** Names of partial files: `sha256-<hex>`. */
export async function partialFiles(folder: string): Promise<string[]> {
  const files = await filesBelow(join(folder, 'entrepot/fills'))
  return files.map((file) => file.slice(file.indexOf('/') + 1)).filter((name) => name !== 'owner')
}

/** Digests of all blobs that are kept, sorted. */
export async function keptBlobs(folder: string): Promise<string[]> {
  const files = await filesBelow(join(folder, 'docker/registry/v2/blobs'))
  return files.flatMap((file) => /^sha256\/..\/([a-f0-9]{64})\/data$/.exec(file)?.[1] ?? []).map((hex) => `sha256:${hex}`)
}

/** Fails unless every blob has the bytes of its digest and no partial or temporary file is there. */
export async function assertSound(folder: string, { partials = 0 }: { partials?: number } = {}): Promise<void> {
  for (const digest of await keptBlobs(folder)) {
    const hex = digest.slice('sha256:'.length)
    const path = join(folder, 'docker/registry/v2/blobs/sha256', hex.slice(0, 2), hex, 'data')
    assert.equal(await hexOfFile(path), hex, `${path} holds other bytes than its name says`)
  }
  const temporary = (await filesBelow(folder)).filter((file) => file.endsWith('.tmp'))
  assert.deepEqual(temporary, [], 'temporary files')
  assert.equal((await partialFiles(folder)).length, partials, 'partial files')
}

async function hexOfFile(path: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer)
  return hash.digest('hex')
}
