// Partial files: taken over from dead processes, left alone while their owner lives.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { Spool } from '../../src/mirror/spool.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { silentLog } from '../../src/telemetry/log.ts'
import { TestClock } from '../support/clock.ts'

const content = Buffer.from('the whole of it')
const digest = digestOf(content)
const name = digest.replace(':', '-')
const hourMs = 3_600_000

let folder: string
let clock: TestClock

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'entrepot-test-'))
  clock = new TestClock()
})
afterEach(() => rm(folder, { recursive: true, force: true }))

/** The pid of a process that has ended. */
function deadPid(): number {
  return spawnSync(process.execPath, ['--version']).pid
}

interface Left {
  readonly owner?: object
  /** How long ago owner and partial file were touched last. */
  readonly agoMs?: number
  readonly bytes?: Buffer
}

/** A folder as another process has left it. */
async function leave(instance: string, { owner, agoMs = 0, bytes = content.subarray(0, 5) }: Left): Promise<void> {
  const other = join(folder, instance)
  const then = new Date(clock.now() - agoMs)
  await mkdir(other)
  await writeFile(join(other, name), bytes)
  await utimes(join(other, name), then, then)
  if (owner !== undefined) {
    await writeFile(join(other, 'owner'), JSON.stringify(owner))
    await utimes(join(other, 'owner'), then, then)
  }
  await utimes(other, then, then)
}

async function claimed(spool: Spool): Promise<{ bytes: number; text: string }> {
  const file = await spool.claim(digest)
  await file.handle.close()
  return { bytes: file.leftBytes, text: await readFile(file.path, 'utf8') }
}

const openSpool = () => Spool.open(folder, clock, silentLog)
const here = hostname()

const taken: readonly (readonly [string, () => Left])[] = [
  ['of a dead process', () => ({ owner: { host: here, pid: deadPid() } })],
  ['of a process with our own number, as in a restarted container', () => ({ owner: { host: here, pid: process.pid } })],
  ['of another host that has been silent', () => ({ owner: { host: 'elsewhere', pid: 1 }, agoMs: 91_000 })],
  ['of a number that is another program’s now, silent', () => ({ owner: { host: here, pid: process.ppid }, agoMs: 91_000 })],
  ['of an owner that crashed before it wrote its name', () => ({ agoMs: 91_000 })],
]
for (const [whose, left] of taken) {
  test(`a partial file ${whose} is taken over`, async () => {
    await leave('other', left())
    await using spool = await openSpool()
    assert.deepEqual(await claimed(spool), { bytes: 5, text: 'the w' })
    assert.equal((await readdir(folder)).length, 1, 'the other folder is gone')
  })
}

const spared: readonly (readonly [string, () => Left])[] = [
  ['of a living process', () => ({ owner: { host: here, pid: process.ppid } })],
  ['of another host that was heard of lately', () => ({ owner: { host: 'elsewhere', pid: 1 }, agoMs: 80_000 })],
  ['of an owner that is just writing its name', () => ({})],
]
for (const [whose, left] of spared) {
  test(`a partial file ${whose} is left alone`, async () => {
    await leave('other', left())
    await using spool = await openSpool()
    assert.equal((await claimed(spool)).bytes, 0)
    assert.equal(await readFile(join(folder, 'other', name), 'utf8'), 'the w')
  })
}

test('a partial file that nobody has asked for in a day is removed', async () => {
  await leave('other', { owner: { host: here, pid: deadPid() }, agoMs: 25 * hourMs })
  await using spool = await openSpool()
  assert.equal((await claimed(spool)).bytes, 0)
})

test('of two partial files of one blob the longer is kept', async () => {
  const owner = { host: here, pid: deadPid() }
  await leave('a', { owner, bytes: content.subarray(0, 3) })
  await leave('b', { owner, bytes: content.subarray(0, 9) })
  await leave('c', { owner, bytes: content.subarray(0, 6) })
  await using spool = await openSpool()
  assert.equal((await claimed(spool)).text, 'the whole')
})

test('files that are none of ours do no harm', async () => {
  await writeFile(join(folder, 'lost+found'), 'x')
  await leave('other', { owner: { host: here, pid: deadPid() } })
  await writeFile(join(folder, 'other', 'notes'), 'x')
  await using spool = await openSpool()
  assert.equal((await claimed(spool)).bytes, 5)
})

test('a folder that is in the way is used as soon as it can be', async () => {
  await writeFile(join(folder, 'fills'), 'a file in the place of the folder')
  await using spool = await Spool.open(join(folder, 'fills'), clock, silentLog)
  await assert.rejects(spool.claim(digest), { code: 'ENOTDIR' })
  await rm(join(folder, 'fills'))
  assert.equal((await claimed(spool)).bytes, 0)
  const [instance = ''] = await readdir(join(folder, 'fills'))
  assert.deepEqual((await readdir(join(folder, 'fills', instance))).toSorted(), ['owner', name].toSorted())
})

test('the heartbeat touches the owner file, and ends with the spool', async () => {
  const spool = await openSpool()
  await clock.pass(20_000)
  await clock.sleeping(20_000)
  await spool[Symbol.asyncDispose]()
  assert.equal(existsSync(folder), false, 'a folder without partial files goes')
})
