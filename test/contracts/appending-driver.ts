// What every storage driver must do with files that grow: the part of the contract that uploads rely on.
import assert from 'node:assert/strict'
import type { StorageDriver } from '../../src/store/driver.ts'
import type { Trial } from './storage-driver.ts'

const never = new AbortController().signal

async function* chunksOf(...chunks: readonly (string | Buffer | Error)[]): AsyncGenerator<Uint8Array, void, void> {
  for (const chunk of chunks) {
    if (chunk instanceof Error) throw chunk
    yield Buffer.from(chunk)
  }
}

async function textAt(driver: StorageDriver, path: string): Promise<string | undefined> {
  const bytes = await driver.read(path)
  return bytes === undefined ? undefined : Buffer.from(bytes).toString()
}

export const appendingTrials: Record<string, Trial> = {
  'makes a file that grows by what is appended': async (driver) => {
    assert.equal(await driver.append('/top/new/data', 0, chunksOf('one ', '', 'two '), never), 8)
    assert.equal(await driver.append('/top/new/data', 8, chunksOf('three'), never), 13)
    assert.equal(await textAt(driver, '/top/new/data'), 'one two three')
    return ['/top/new/data']
  },
  'makes an empty file when nothing is appended to none': async (driver) => {
    assert.equal(await driver.append('/top/data', 0, chunksOf(), never), 0)
    assert.equal((await driver.stat('/top/data'))?.size, 0)
    return ['/top/data']
  },
  'appends many MiB in chunks of all sizes, byte for byte': async (driver) => {
    const chunks = Array.from({ length: 400 }, (_, index) => Buffer.alloc((index * 7919) % 40_000, String(index)))
    const whole = Buffer.concat(chunks)
    assert.equal(await driver.append('/top/data', 0, chunksOf(...chunks), never), whole.length)
    assert.ok(whole.equals((await driver.read('/top/data')) ?? Buffer.alloc(0)))
    return ['/top/data']
  },
  'appends only at the end': async (driver) => {
    await driver.append('/top/data', 0, chunksOf('12345'), never)
    for (const offset of [0, 4, 6]) await assert.rejects(driver.append('/top/data', offset, chunksOf('x'), never), /5 bytes/)
    await assert.rejects(driver.append('/top/absent/data', 3, chunksOf('x'), never), { code: 'ENOENT' })
    assert.equal(await textAt(driver, '/top/data'), '12345')
    assert.equal(await driver.stat('/top/absent'), undefined)
    return ['/top/data']
  },
  'keeps what came before the body broke': async (driver) => {
    const broken = new Error('the client left')
    await driver.append('/top/data', 0, chunksOf('before '), never)
    await assert.rejects(driver.append('/top/data', 7, chunksOf('and ', 'after', broken), never), broken)
    assert.equal(await textAt(driver, '/top/data'), 'before and after')
    return ['/top/data']
  },
  'keeps what came before the signal aborted, and takes nothing more': async (driver) => {
    const [leaving, reason] = [new AbortController(), new Error('enough')]
    async function* body() {
      yield Buffer.from('taken')
      leaving.abort(reason)
      yield Buffer.from('not taken')
      throw new Error('asked for more')
    }
    await assert.rejects(driver.append('/top/data', 0, body(), leaving.signal), reason)
    await assert.rejects(driver.append('/top/other', 0, body(), leaving.signal), reason)
    assert.equal(await textAt(driver, '/top/data'), 'taken')
    return ['/top/data']
  },
  'tells the time that a file was touched with, and keeps its bytes': async (driver) => {
    await driver.write('/top/data', Buffer.from('bytes'))
    const at = 1_600_000_000_000
    assert.equal(await driver.touch('/top/data', at), true)
    assert.deepEqual(await driver.stat('/top/data'), { kind: 'file', size: 5, modifiedAt: at })
    assert.equal(await textAt(driver, '/top/data'), 'bytes')
    assert.equal(await driver.touch('/top/absent', at), false)
    assert.equal(await driver.stat('/top/absent'), undefined)
    return ['/top/data']
  },
  'tells a new time for a folder when something came into it or left it': async (driver) => {
    const changedAt = async () => (await driver.stat('/top/folder'))?.modifiedAt ?? 0
    await driver.write('/top/folder/a', Buffer.from('x'))
    for (const change of ['came', 'left'] as const) {
      if (change === 'left') await driver.append('/top/folder/sub/data', 0, chunksOf('x'), never)
      const before = await changedAt()
      // Times are only as fine as the system's ticks.
      for (const until = performance.now() + 50; performance.now() < until; ) await driver.stat('/top')
      if (change === 'came') await driver.append('/top/folder/sub/data', 0, chunksOf('x'), never)
      else await driver.remove('/top/folder/sub')
      assert.notEqual(await changedAt(), before, change)
      await driver.remove('/top/folder/sub')
    }
    return ['/top/folder/a']
  },
}
