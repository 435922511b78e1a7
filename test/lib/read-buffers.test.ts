import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { type FileHandle, mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'node:test'
import { ReadBuffers } from '../../src/lib/read-buffers.ts'

const MiB = 1024 * 1024
const never = new AbortController().signal

/** An open file of `size` bytes, each of its MiBs different. */
async function fileOf(size: number): Promise<AsyncDisposable & { file: FileHandle; bytes: Buffer }> {
  const folder = await mkdtemp(join(tmpdir(), 'entrepot-read-'))
  const bytes = Buffer.alloc(size)
  for (let at = 0; at < size; at += 4096) bytes.writeUInt32LE(at, Math.min(at, size - 4))
  const file = await open(join(folder, 'file'), 'wx+')
  await file.writeFile(bytes)
  return {
    file,
    bytes,
    [Symbol.asyncDispose]: async () => {
      await file.close()
      await rm(folder, { recursive: true })
    },
  }
}

async function hashOf(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of chunks) hash.update(chunk)
  return hash.digest('hex')
}

it('one reader gets large chunks, and the bytes between its bounds', async () => {
  await using opened = await fileOf(5 * MiB + 123)
  const buffers = new ReadBuffers()
  const sizes: number[] = []
  const parts: Buffer[] = []
  for await (const chunk of buffers.readChunks(opened.file.fd, 17, 5 * MiB + 100, never)) {
    sizes.push(chunk.length)
    parts.push(Buffer.from(chunk))
  }
  assert.equal(sizes[0], MiB)
  assert.ok(Buffer.concat(parts).equals(opened.bytes.subarray(17, 5 * MiB + 100)))
  assert.equal(buffers.lentBytes, 0)
})

it('a span of no bytes has no chunk', async () => {
  await using opened = await fileOf(4096)
  for await (const _ of new ReadBuffers().readChunks(opened.file.fd, 4096, 4096, never)) assert.fail('a chunk of nothing')
})

it('a small file takes a small buffer', async () => {
  await using opened = await fileOf(4096)
  const buffers = new ReadBuffers()
  const reader = buffers.readChunks(opened.file.fd, 0, 4096, never)
  await reader.next()
  assert.equal(buffers.lentBytes, 16 * 1024)
  await reader.return()
})

it('two hundred readers stay within 32 MiB, and every one gets its bytes', async () => {
  await using opened = await fileOf(3 * MiB + 7)
  const buffers = new ReadBuffers()
  let most = 0
  const readers = Array.from({ length: 200 }, async () => {
    const hash = createHash('sha256')
    for await (const chunk of buffers.readChunks(opened.file.fd, 0, 3 * MiB + 7, never)) {
      hash.update(chunk)
      most = Math.max(most, buffers.lentBytes)
    }
    return hash.digest('hex')
  })
  const expected = createHash('sha256').update(opened.bytes).digest('hex')
  assert.deepEqual(new Set(await Promise.all(readers)), new Set([expected]))
  assert.ok(most > 16 * MiB && most <= 32 * MiB, `${most} bytes lent`)
  assert.equal(buffers.lentBytes, 0)
})

it('slow readers that sit on large buffers leave the others small ones, not more memory', async () => {
  await using opened = await fileOf(4 * MiB)
  const buffers = new ReadBuffers()
  const early = Array.from({ length: 14 }, () => buffers.readChunks(opened.file.fd, 0, 4 * MiB, never))
  for (const reader of early) await reader.next()
  const late = Array.from({ length: 186 }, () => buffers.readChunks(opened.file.fd, 0, 4 * MiB, never))
  for (const reader of late) await reader.next()
  assert.ok(buffers.lentBytes < 34 * MiB, `${buffers.lentBytes} bytes lent`)
  for (const reader of [...early, ...late]) await reader.return()
  assert.equal(buffers.lentBytes, 0)
})

it('a reader that is left early gives everything back, also what was being read ahead', async () => {
  await using opened = await fileOf(4 * MiB)
  const buffers = new ReadBuffers()
  for await (const _ of buffers.readChunks(opened.file.fd, 0, 4 * MiB, never)) break
  assert.equal(buffers.lentBytes, 0)
})

it('readers at different speeds never see bytes of each other', async () => {
  await using opened = await fileOf(8 * MiB)
  const buffers = new ReadBuffers()
  const spans = Array.from({ length: 12 }, (_, index) => [index * 1000, 8 * MiB - index * 77_777] as const)
  const got = await Promise.all(
    spans.map(async ([start, end], index) => {
      const hash = createHash('sha256')
      let held = 0
      for await (const chunk of buffers.readChunks(opened.file.fd, start, end, never)) {
        // Some hold a chunk while the others go on.
        const turns = held < 4 ? index * 3 : 0
        for (let wait = 0; wait < turns; wait += 1) await new Promise(setImmediate)
        hash.update(chunk)
        held += 1
      }
      return hash.digest('hex')
    }),
  )
  const expected = spans.map(([start, end]) => createHash('sha256').update(opened.bytes.subarray(start, end)).digest('hex'))
  assert.deepEqual(got, expected)
})

it('a file that ends too early is an error after its last byte', async () => {
  await using opened = await fileOf(2 * MiB + 5)
  const buffers = new ReadBuffers()
  let seen = 0
  await assert.rejects(async () => {
    for await (const chunk of buffers.readChunks(opened.file.fd, 0, 3 * MiB, never)) seen += chunk.length
  }, /ends at byte 2097157/)
  assert.equal(seen, 2 * MiB + 5)
  assert.equal(buffers.lentBytes, 0)
})

it('a failing disk is an error of the reader, and costs no buffer', async () => {
  const buffers = new ReadBuffers()
  const notOpen = 1_000_000
  await assert.rejects(hashOf(buffers.readChunks(notOpen, 0, MiB, never)), { code: 'EBADF' })
  assert.equal(buffers.lentBytes, 0)
})

it('an aborted signal ends the reader with its reason', async () => {
  await using opened = await fileOf(4 * MiB)
  const buffers = new ReadBuffers()
  const leaving = new AbortController()
  const reader = buffers.readChunks(opened.file.fd, 0, 4 * MiB, leaving.signal)
  await reader.next()
  const reason = new Error('the client left')
  leaving.abort(reason)
  await assert.rejects(reader.next(), reason)
  assert.equal(buffers.lentBytes, 0)
})
