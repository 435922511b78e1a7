import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { it } from 'node:test'
import { FilesystemDriver } from '../../../src/store/drivers/filesystem.ts'
import { filesBelow, storageDriverContract } from '../../contracts/storage-driver.ts'
import { isWholeValue, paths, valueOf } from './write-loop.ts'

const writeLoop = join(import.meta.dirname, 'write-loop.ts')
const never = new AbortController().signal

async function newRoot(parent = tmpdir()): Promise<AsyncDisposable & { readonly root: string }> {
  const root = await mkdtemp(join(parent, 'entrepot-store-'))
  return { root, [Symbol.asyncDispose]: () => rm(root, { recursive: true, force: true }) }
}

storageDriverContract('filesystem', async () => {
  const { root, [Symbol.asyncDispose]: dispose } = await newRoot()
  return { driver: new FilesystemDriver({ root: join(root, 'made', 'by', 'the', 'driver') }), [Symbol.asyncDispose]: dispose }
})

it('what lies in the folder is what was written, at the path that localFile tells', async () => {
  await using folder = await newRoot()
  const driver = new FilesystemDriver({ root: folder.root })
  await driver.write('/a/b', Buffer.from('hello'))
  assert.equal(await readFile(join(folder.root, 'a/b'), 'utf8'), 'hello')
  assert.equal(driver.localFile('/a/b'), join(folder.root, 'a/b'))
})

it('files and folders get the rights that the umask leaves', async () => {
  await using folder = await newRoot()
  const previous = process.umask(0o027)
  try {
    await new FilesystemDriver({ root: folder.root }).write('/a/b', Buffer.from('x'))
  } finally {
    process.umask(previous)
  }
  assert.equal((await stat(join(folder.root, 'a'))).mode & 0o777, 0o750)
  assert.equal((await stat(join(folder.root, 'a/b'))).mode & 0o777, 0o640)
})

it('a file from the spool folder is renamed, not copied', async () => {
  await using folder = await newRoot()
  const driver = new FilesystemDriver({ root: folder.root })
  await mkdir(driver.spoolFolder, { recursive: true })
  const spooled = join(driver.spoolFolder, 'fill')
  await writeFile(spooled, 'bytes')
  const { ino } = await stat(spooled)
  await driver.adopt(spooled, '/docker/blob')
  assert.equal((await stat(driver.localFile('/docker/blob'))).ino, ino)
})

it('a file from another device is copied whole, and gone there', async (t) => {
  const memory = await stat('/dev/shm').catch(() => undefined)
  if (memory === undefined || memory.dev === (await stat(tmpdir())).dev) return t.diagnostic('this machine has no second device')
  await using folder = await newRoot()
  await using elsewhere = await newRoot('/dev/shm')
  const driver = new FilesystemDriver({ root: folder.root })
  const file = join(elsewhere.root, 'fill')
  await writeFile(file, valueOf(1))
  await driver.adopt(file, '/top/blob')
  assert.ok(valueOf(1).equals(await readFile(driver.localFile('/top/blob'))))
  assert.deepEqual(await readdir(elsewhere.root), [])
  assert.deepEqual(await filesBelow(driver, '/top'), ['/top/blob'])
})

it('a write that the disk refuses in the middle is an error, and nothing of it is left', async () => {
  await using folder = await newRoot()
  const driver = new FilesystemDriver({ root: folder.root })
  await driver.write(paths[0] ?? '', Buffer.from('kept'))
  // No file may pass 8 KiB in there: the system takes the first part of a write and refuses the rest, as a full disk does.
  const limited = spawn('sh', ['-c', 'ulimit -f 16; exec "$@"', 'sh', process.execPath, writeLoop, folder.root])
  const [messages] = await Promise.all([text(limited.stderr), once(limited, 'exit')])
  assert.match(messages, /EFBIG/)
  assert.deepEqual(await filesBelow(driver, '/store'), paths.slice(0, 1))
  assert.equal((await driver.stat(paths[0] ?? ''))?.size, 4)
})

it('chunks that are given are freed once they are written, unless they are parts of other memory', async () => {
  await using folder = await newRoot()
  const driver = new FilesystemDriver({ root: folder.root })
  const given = Array.from({ length: 50 }, (_, index) => Buffer.alloc(20_000 + index, String(index)))
  const whole = Buffer.concat(given)
  const part = Buffer.alloc(100_000, 'part').subarray(1000, 50_000)
  async function* chunks() {
    yield* given
    yield part
  }
  await driver.append('/kept', 0, chunks(), never)
  assert.ok(Buffer.concat(given).equals(whole))
  await driver.append('/given', 0, chunks(), never, { freesChunks: true })
  assert.deepEqual(new Set(given.map(({ length }) => length)), new Set([0]))
  assert.equal(part.length, 49_000)
  for (const path of ['/kept', '/given']) assert.ok(Buffer.concat([whole, part]).equals(await readFile(driver.localFile(path))))
})

it('trouble with the disk is an error, never an absence', async () => {
  await using folder = await newRoot()
  const driver = new FilesystemDriver({ root: folder.root })
  await symlink('loop', join(folder.root, 'loop'))
  for (const path of ['/loop', '/loop/below']) {
    await assert.rejects(driver.stat(path), { code: 'ELOOP' })
    await assert.rejects(driver.read(path), { code: 'ELOOP' })
    await assert.rejects(driver.list(path), { code: 'ELOOP' })
  }
  await assert.rejects(driver.write('/loop/below', Buffer.from('x')), { code: 'ELOOP' })
  assert.deepEqual(await readdir(folder.root), ['loop'])
})

it('leftovers of crashed writes are removed when they are old enough, and nothing else is', async () => {
  await using folder = await newRoot()
  const driver = new FilesystemDriver({ root: folder.root })
  const leftover = '0b3f8a52-9c1d-4e7a-8f60-2d5b6c7e8a91.tmp'
  await driver.write('/top/a/link', Buffer.from('kept'))
  await driver.write(`/top/a/link.${leftover}`, Buffer.from('old'))
  await driver.write(`/top/a/data.${leftover}`, Buffer.from('of a write that runs'))
  await driver.write('/top/a/not-ours.tmp', Buffer.from('old, too'))
  for (const name of ['link', `link.${leftover}`, 'not-ours.tmp']) await utimes(driver.localFile(`/top/a/${name}`), 1000, 1000)
  assert.equal(await driver.removeLeftovers('/top', 2_000_000, never), 1)
  assert.deepEqual((await driver.list('/top/a'))?.sort(), [`data.${leftover}`, 'link', 'not-ours.tmp'])
})

it('after kill -9 in the middle of writes every path holds old or new bytes', { timeout: 60_000 }, async () => {
  await using folder = await newRoot()
  const driver = new FilesystemDriver({ root: folder.root })
  for (let kill = 1; kill <= 6; kill += 1) {
    await killWhileWriting(folder.root, kill * 3)
    for (const path of paths) {
      const bytes = await driver.read(path)
      assert.ok(bytes !== undefined && isWholeValue(bytes), `${path} after kill ${kill}: ${bytes?.length} bytes`)
    }
  }
  await driver.removeLeftovers('/store', Number.POSITIVE_INFINITY, never)
  assert.deepEqual((await filesBelow(driver, '/store')).sort(), paths.toSorted())
})

async function killWhileWriting(root: string, turns: number): Promise<void> {
  const child = spawn(process.execPath, [writeLoop, root], { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = once(child, 'exit')
  for await (const line of createInterface(child.stdout)) if (Number(line) >= turns) child.kill('SIGKILL')
  assert.deepEqual(await ended, [null, 'SIGKILL'])
}
