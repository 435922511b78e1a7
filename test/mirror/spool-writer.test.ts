import assert from 'node:assert/strict'
import { type FileHandle, mkdtemp, open, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'node:test'
import { SpoolWriter } from '../../src/mirror/spool-writer.ts'
import { seededBytes } from '../support/images.ts'

async function partialFile(): Promise<AsyncDisposable & { path: string; handle: FileHandle }> {
  const folder = await mkdtemp(join(tmpdir(), 'entrepot-spool-'))
  const path = join(folder, 'partial')
  const handle = await open(path, 'wx+')
  return {
    path,
    handle,
    [Symbol.asyncDispose]: async () => {
      await handle.close()
      await rm(folder, { recursive: true })
    },
  }
}

for (const { name, size, chunkBytes } of [
  { name: 'chunks larger than its buffers', size: 1_000_003, chunkBytes: 300_000 },
  { name: 'many small chunks', size: 300_007, chunkBytes: 1_001 },
  { name: 'a blob of few bytes', size: 3, chunkBytes: 1 },
  { name: 'more bytes than were announced', size: 70_000, chunkBytes: 9_000 },
]) {
  it(`${name} come into the file in order, and are told of once they are there`, async () => {
    await using file = await partialFile()
    const bytes = seededBytes(name, size)
    const told: Buffer[] = []
    const announced = name.startsWith('more') ? 10 : size
    const writer = new SpoolWriter({ file: file.handle, position: 0, size: announced, onWritten: (part) => told.push(Buffer.from(part)) })
    for (let at = 0; at < size; at += chunkBytes) {
      const chunk = Buffer.from(bytes.subarray(at, at + chunkBytes))
      await writer.add(chunk)
      // Its memory may be used again at once.
      chunk.fill(0)
      const soFar = Buffer.concat(told)
      assert.ok(soFar.equals(bytes.subarray(0, soFar.length)))
      assert.ok((await readFile(file.path)).length >= soFar.length)
    }
    await writer.flush()
    assert.ok(Buffer.concat(told).equals(bytes))
    assert.ok((await readFile(file.path)).equals(bytes))
  })
}

it('goes on behind what a former process left', async () => {
  await using file = await partialFile()
  await file.handle.write('left over')
  const writer = new SpoolWriter({ file: file.handle, position: 5, size: 10, onWritten: () => {} })
  await writer.add(Buffer.from('below'))
  await writer.flush()
  assert.equal(await readFile(file.path, 'utf8'), 'left below')
})

it('a disk that refuses is an error of the next call, and nothing is told of what is not in the file', async () => {
  await using file = await partialFile()
  const readOnly = await open(file.path, 'r')
  let told = 0
  const writer = new SpoolWriter({ file: readOnly, position: 0, size: 100, onWritten: (part) => (told += part.length) })
  await writer.add(Buffer.from('a chunk'))
  await assert.rejects(writer.flush(), { code: 'EBADF' })
  await assert.rejects(writer.add(Buffer.from('another')), { code: 'EBADF' })
  assert.equal(told, 0)
  await readOnly.close()
})
