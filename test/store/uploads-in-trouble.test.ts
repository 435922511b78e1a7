// Uploads when the disk is full, and when the process is killed: nothing half-visible, and what is there can be gone on with.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { it } from 'node:test'
import { systemClock } from '../../src/lib/clock.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { FilesystemDriver } from '../../src/store/drivers/filesystem.ts'
import { MemoryDriver } from '../../src/store/drivers/memory.ts'
import * as layout from '../../src/store/layout.ts'
import { assertSound, keptBlobs } from '../support/store-tree.ts'
import { busybox, chunksOf, contentOver, never } from './example-content.ts'
import { isWholePiece, pieceOf } from './push-loop.ts'

const bytes = Buffer.alloc(500_000, 'a layer ')

/** Has room for so many bytes of blobs. */
class SmallDisk extends MemoryDriver {
  room = Number.POSITIVE_INFINITY

  override append(path: string, offset: number, body: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<number> {
    return super.append(path, offset, this.#fitting(body), signal)
  }

  override async write(path: string, bytes: Uint8Array): Promise<void> {
    if (bytes.length > this.room) throw full()
    await super.write(path, bytes)
  }

  async *#fitting(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, void> {
    for await (const chunk of body) {
      const taken = chunk.subarray(0, this.room)
      this.room -= taken.length
      yield taken
      if (taken.length < chunk.length) throw full()
    }
  }
}

function full(): Error {
  return Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' })
}

it('a disk that gets full in the middle is a clear error, and the upload goes on when there is room again', async () => {
  const disk = new SmallDisk({ clock: systemClock })
  const content = contentOver(disk)
  const { id } = await content.beginUpload(busybox)
  disk.room = 123_456
  const append = (offset: number) => content.appendToUpload(busybox, id, { offset, body: chunksOf(bytes.subarray(offset)) }, never)
  await assert.rejects(append(0), { code: 'UNAVAILABLE', detail: 'the storage of the registry is full' })
  assert.equal((await content.findUpload(busybox, id))?.size, 123_456)
  await assert.rejects(content.finishUpload(busybox, id, digestOf(bytes)), { code: 'DIGEST_INVALID' })
  await assert.rejects(append(123_456), { code: 'UNAVAILABLE' })
  disk.room = Number.POSITIVE_INFINITY
  await append(123_456)
  assert.equal((await content.finishUpload(busybox, id, digestOf(bytes))).size, bytes.length)
})

it('a disk that is full refuses to begin, to link and to keep a manifest, and nothing of it is seen', async () => {
  const disk = new SmallDisk({ clock: systemClock })
  const content = contentOver(disk)
  const { id } = await content.beginUpload(busybox)
  await content.appendToUpload(busybox, id, { offset: 0, body: chunksOf(bytes) }, never)
  disk.room = 10
  await assert.rejects(content.beginUpload(busybox), { code: 'UNAVAILABLE' })
  await assert.rejects(content.finishUpload(busybox, id, digestOf(bytes)), { code: 'UNAVAILABLE' })
  assert.equal(await content.findBlob(busybox, digestOf(bytes)), undefined)
  const manifest = Buffer.from('{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}')
  const pushed = { bytes: manifest, mediaType: 'application/vnd.oci.image.index.v1+json' }
  await assert.rejects(content.pushManifest(busybox, pushed, { tags: [] }), { code: 'UNAVAILABLE' })
  assert.equal(await content.findManifest(busybox, digestOf(manifest)), undefined)
})

it('after kill -9 every blob is whole, and what was uploading goes on at its true size', { timeout: 60_000 }, async () => {
  const root = await mkdtemp(join(tmpdir(), 'entrepot-killed-'))
  try {
    const driver = new FilesystemDriver({ root })
    let goneOn = 0
    for (let kill = 1; kill <= 5; kill += 1) {
      await killWhilePushing(root, kill * 4)
      await assertSound(root)
      const content = contentOver(driver)
      for (const id of (await driver.list(layout.uploadsFolder(busybox))) ?? []) {
        const state = await content.findUpload(busybox, id)
        if (state === undefined) continue
        const stored = Buffer.from((await driver.read(`${layout.uploadFolder(busybox, id)}/data`)) ?? [])
        assert.equal(stored.length, state.size)
        assert.ok(isWholePiece(stored, false), `${id} holds ${stored.length} bytes of something else`)
        const rest = pieceOf(stored).subarray(stored.length)
        await content.appendToUpload(busybox, id, { offset: state.size, body: chunksOf(rest) }, never)
        const digest = digestOf(pieceOf(stored))
        assert.equal((await content.finishUpload(busybox, id, digest)).digest, digest)
        goneOn += 1
      }
    }
    assert.ok(goneOn > 0, 'no kill hit an upload')
    assert.ok((await keptBlobs(root)).length > 10)
    await assertSound(root)
  } finally {
    await rm(root, { recursive: true, force: true })
  }
})

async function killWhilePushing(root: string, turns: number): Promise<void> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'push-loop.ts'), root], { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = once(child, 'exit')
  for await (const line of createInterface(child.stdout)) if (Number(line) >= turns) child.kill('SIGKILL')
  assert.deepEqual(await ended, [null, 'SIGKILL'])
}
