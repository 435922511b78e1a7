// What every storage driver must do, as a suite: `storageDriverContract('name', openIt)` runs it.
// After each test everything that lies in the store must be what the test says it left there: no temporary files.
import assert from 'node:assert/strict'
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import type { StorageDriver } from '../../src/store/driver.ts'
import { appendingTrials } from './appending-driver.ts'

export interface DriverUnderTest extends AsyncDisposable {
  /** Empty. */
  readonly driver: StorageDriver
}

/** Does something with the driver and returns every file that is below `/top` afterwards. */
export type Trial = (driver: StorageDriver, scratch: string) => Promise<string[]>

const never = new AbortController().signal
const long = Buffer.alloc(3_000_001, 'entrepot ')

export interface ContractOptions {
  /** False for object stores: a folder is only a part of keys there, so that an empty one is absent, and nothing stands in a key's way. Default: true. */
  readonly hasFolders?: boolean
  readonly skip?: string
}

export function storageDriverContract(name: string, open: () => Promise<DriverUnderTest>, options: ContractOptions = {}): void {
  const { hasFolders = true, ...suite } = options
  const folders = hasFolders ? realFolders : { 'has no empty folders': noEmptyFolders }
  describe(`storage driver contract: ${name}`, suite, () => {
    for (const [sentence, trial] of Object.entries({ ...small, ...whole, ...moving, ...refusals, ...folders, ...appendingTrials })) {
      it(sentence, async () => {
        await using opened = await open()
        const scratch = await mkdtemp(join(tmpdir(), 'entrepot-contract-'))
        try {
          const expected = await trial(opened.driver, scratch)
          assert.deepEqual((await filesBelow(opened.driver, '/top')).sort(), expected.sort())
        } finally {
          await rm(scratch, { recursive: true })
        }
      })
    }
  })
}

export async function filesBelow(driver: StorageDriver, path: string): Promise<string[]> {
  const entry = await driver.stat(path)
  if (entry?.kind !== 'directory') return entry === undefined ? [] : [path]
  const children = (await driver.list(path)) ?? []
  return (await Promise.all(children.map((child) => filesBelow(driver, `${path}/${child}`)))).flat()
}

async function textAt(driver: StorageDriver, path: string): Promise<string | undefined> {
  const bytes = await driver.read(path)
  return bytes === undefined ? undefined : Buffer.from(bytes).toString()
}

/** Copies each chunk, because its memory is used again. */
async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Buffer[] = []
  for await (const chunk of chunks) parts.push(Buffer.from(chunk))
  return Buffer.concat(parts)
}

const small: Record<string, Trial> = {
  'knows nothing of what was never written': async (driver) => {
    assert.equal(await driver.stat('/top/a'), undefined)
    assert.equal(await driver.read('/top/a'), undefined)
    assert.equal(await driver.list('/top/a'), undefined)
    assert.equal(await driver.remove('/top/a'), false)
    return []
  },
  'gives back what was written, in folders that nobody made': async (driver) => {
    await driver.write('/top/a/b.c/D_e-f', Buffer.from('hello'))
    assert.equal(await textAt(driver, '/top/a/b.c/D_e-f'), 'hello')
    return ['/top/a/b.c/D_e-f']
  },
  'replaces what was there, longer by shorter': async (driver) => {
    await driver.write('/top/a', Buffer.from('a long text'))
    await driver.write('/top/a', Buffer.from('short'))
    assert.equal(await textAt(driver, '/top/a'), 'short')
    assert.equal((await driver.stat('/top/a'))?.size, 5)
    return ['/top/a']
  },
  'keeps an empty file apart from an absent one': async (driver) => {
    await driver.write('/top/empty', new Uint8Array())
    assert.equal((await driver.read('/top/empty'))?.length, 0)
    assert.deepEqual({ ...(await driver.stat('/top/empty')), modifiedAt: 0 }, { kind: 'file', size: 0, modifiedAt: 0 })
    assert.equal((await collect(driver.open('/top/empty', undefined, never))).length, 0)
    return ['/top/empty']
  },
  'is not changed by what the writer does with its bytes later': async (driver) => {
    const bytes = Buffer.from('before')
    await driver.write('/top/a', bytes)
    bytes.fill('x')
    assert.equal(await textAt(driver, '/top/a'), 'before')
    return ['/top/a']
  },
  'reads a file of several MiB whole': async (driver) => {
    await driver.write('/top/long', long)
    assert.ok(long.equals((await driver.read('/top/long')) ?? new Uint8Array()))
    return ['/top/long']
  },
  'tells files from folders, and when they changed': async (driver) => {
    const before = Date.now()
    await driver.write('/top/a/b', Buffer.from('123'))
    const file = await driver.stat('/top/a/b')
    assert.equal(file?.kind, 'file')
    assert.equal(file.size, 3)
    assert.ok(Math.abs(file.modifiedAt - before) < 60_000, `modified at ${file.modifiedAt}, written at ${before}`)
    const folder = await driver.stat('/top/a')
    assert.equal(folder?.kind, 'directory')
    assert.equal(folder.size, 0)
    return ['/top/a/b']
  },
  'lists direct children only': async (driver) => {
    for (const path of ['/top/a/1', '/top/a/2/3', '/top/ab/4']) await driver.write(path, Buffer.from(path))
    assert.deepEqual((await driver.list('/top/a'))?.sort(), ['1', '2'])
    return ['/top/a/1', '/top/a/2/3', '/top/ab/4']
  },
  'sees no folder in a file, and no file in a folder': async (driver) => {
    await driver.write('/top/file', Buffer.from('x'))
    await driver.write('/top/folder/inside', Buffer.from('x'))
    assert.equal(await driver.list('/top/file'), undefined)
    assert.equal(await driver.read('/top/folder'), undefined)
    assert.equal(await driver.stat('/top/file/below'), undefined)
    assert.equal(await driver.read('/top/file/below'), undefined)
    assert.equal(await driver.remove('/top/file/below'), false)
    return ['/top/file', '/top/folder/inside']
  },
}

const whole: Record<string, Trial> = {
  'streams a file in chunks': async (driver) => {
    await driver.write('/top/long', long)
    assert.ok(long.equals(await collect(driver.open('/top/long', undefined, never))))
    return ['/top/long']
  },
  'streams ranges with both ends included': async (driver) => {
    await driver.write('/top/long', long)
    const ends = [0, 1, 65_535, 65_536, 1_048_575, 1_048_576, 2_500_000, long.length - 1]
    for (const start of ends) {
      for (const end of ends.filter((end) => end >= start)) {
        const got = await collect(driver.open('/top/long', { start, end }, never))
        assert.ok(got.equals(long.subarray(start, end + 1)), `range ${start}-${end}`)
      }
    }
    return ['/top/long']
  },
  'gives the old bytes to the end to who reads while they are replaced': async (driver) => {
    await driver.write('/top/long', long)
    const reader = driver.open('/top/long', undefined, never)[Symbol.asyncIterator]()
    const parts: Buffer[] = []
    const first = await reader.next()
    assert.ok(first.done !== true)
    parts.push(Buffer.from(first.value))
    await driver.write('/top/long', Buffer.alloc(long.length, 'other'))
    for (let next = await reader.next(); next.done !== true; next = await reader.next()) parts.push(Buffer.from(next.value))
    assert.ok(long.equals(Buffer.concat(parts)))
    return ['/top/long']
  },
  'shows readers only old or new bytes, however many write': async (driver) => {
    const versions = Array.from({ length: 8 }, (_, index) => Buffer.alloc(20_000 + index, String(index)))
    const writing = Promise.all(versions.map((bytes) => driver.write('/top/contested', bytes)))
    const state = { isWriting: true }
    const ended = writing.finally(() => (state.isWriting = false))
    do {
      const seen = await driver.read('/top/contested')
      assert.ok(seen === undefined || versions.some((bytes) => bytes.equals(seen)), `saw ${seen?.length} bytes`)
    } while (state.isWriting)
    await ended
    return ['/top/contested']
  },
}

const moving: Record<string, Trial> = {
  'moves a file over another, into a new folder': async (driver) => {
    await driver.write('/top/from', Buffer.from('new'))
    await driver.write('/top/into/to', Buffer.from('old'))
    await driver.move('/top/from', '/top/into/to')
    assert.equal(await textAt(driver, '/top/into/to'), 'new')
    await driver.move('/top/into/to', '/top/made/on/the/way')
    assert.equal(await textAt(driver, '/top/made/on/the/way'), 'new')
    return ['/top/made/on/the/way']
  },
  'removes a file and leaves its neighbours': async (driver) => {
    await driver.write('/top/a', Buffer.from('a'))
    await driver.write('/top/ab', Buffer.from('ab'))
    assert.equal(await driver.remove('/top/a'), true)
    assert.equal(await driver.remove('/top/a'), false)
    return ['/top/ab']
  },
  'removes a folder with all below it': async (driver) => {
    for (const path of ['/top/a/1', '/top/a/2/3', '/top/ab']) await driver.write(path, Buffer.from(path))
    assert.equal(await driver.remove('/top/a'), true)
    assert.equal(await driver.stat('/top/a'), undefined)
    return ['/top/ab']
  },
  'adopts a file of this machine, which is gone afterwards': async (driver, scratch) => {
    const file = join(scratch, 'spooled')
    await writeFile(file, long)
    await driver.write('/top/blob', Buffer.from('damaged'))
    await driver.adopt(file, '/top/blob')
    assert.ok(long.equals(await collect(driver.open('/top/blob', undefined, never))))
    await assert.rejects(stat(file), { code: 'ENOENT' })
    return ['/top/blob']
  },
  'adopts an empty file into a new folder': async (driver, scratch) => {
    const file = join(scratch, 'empty')
    await writeFile(file, '')
    await driver.adopt(file, '/top/new/blob')
    assert.equal((await driver.stat('/top/new/blob'))?.size, 0)
    return ['/top/new/blob']
  },
}

const refusals: Record<string, Trial> = {
  'throws when an absent file is opened': async (driver) => {
    await assert.rejects(collect(driver.open('/top/absent', undefined, never)), { code: 'ENOENT' })
    return []
  },
  'throws when a range reaches beyond the end': async (driver) => {
    await driver.write('/top/a', Buffer.from('12345'))
    await assert.rejects(collect(driver.open('/top/a', { start: 2, end: 5 }, never)), /ends at byte 5/)
    await assert.rejects(collect(driver.open('/top/a', { start: 5, end: 9 }, never)), /ends at byte 5/)
    return ['/top/a']
  },
  'stops with the reason of the signal, before and in the middle': async (driver) => {
    await driver.write('/top/long', long)
    const reason = new Error('the client left')
    await assert.rejects(collect(driver.open('/top/long', undefined, AbortSignal.abort(reason))), reason)
    const leaving = new AbortController()
    let chunks = 0
    await assert.rejects(async () => {
      for await (const _ of driver.open('/top/long', undefined, leaving.signal)) {
        chunks += 1
        leaving.abort(reason)
      }
    }, reason)
    assert.equal(chunks, 1)
    return ['/top/long']
  },
  'throws when nothing is there to move, and makes nothing': async (driver) => {
    await driver.write('/top/to', Buffer.from('kept'))
    await assert.rejects(driver.move('/top/absent', '/top/to'), { code: 'ENOENT' })
    await assert.rejects(driver.move('/top/absent', '/top/new/to'), { code: 'ENOENT' })
    assert.equal(await textAt(driver, '/top/to'), 'kept')
    assert.equal(await driver.stat('/top/new'), undefined)
    return ['/top/to']
  },
  'throws when nothing is there to adopt, and keeps what it has': async (driver, scratch) => {
    await driver.write('/top/to', Buffer.from('kept'))
    await assert.rejects(driver.adopt(join(scratch, 'absent'), '/top/to'), { code: 'ENOENT' })
    assert.equal(await textAt(driver, '/top/to'), 'kept')
    return ['/top/to']
  },
}

const realFolders: Record<string, Trial> = {
  'removes a folder only when nothing is in it': async (driver) => {
    await driver.write('/top/a/1', Buffer.from('1'))
    assert.equal(await driver.removeEmptyFolder('/top/a'), false)
    assert.equal(await driver.removeEmptyFolder('/top/a/1'), false)
    assert.equal(await driver.removeEmptyFolder('/top/absent'), false)
    await driver.move('/top/a/1', '/top/b')
    assert.equal(await driver.removeEmptyFolder('/top/a'), true)
    assert.equal(await driver.stat('/top/a'), undefined)
    return ['/top/b']
  },
  'does not write over a folder, nor below a file': async (driver) => {
    await driver.write('/top/folder/inside', Buffer.from('kept'))
    await assert.rejects(driver.write('/top/folder', Buffer.from('x')), { code: 'EISDIR' })
    await assert.rejects(driver.write('/top/folder/inside/below', Buffer.from('x')), { code: 'ENOTDIR' })
    assert.equal(await textAt(driver, '/top/folder/inside'), 'kept')
    return ['/top/folder/inside']
  },
}

async function noEmptyFolders(driver: StorageDriver): Promise<string[]> {
  await driver.write('/top/a/1', Buffer.from('1'))
  for (const path of ['/top/a', '/top/a/1', '/top/absent']) assert.equal(await driver.removeEmptyFolder(path), false)
  await driver.move('/top/a/1', '/top/b')
  assert.equal(await driver.stat('/top/a'), undefined)
  return ['/top/b']
}
