// What waits for an endpoint survives whatever the process does not, in order.
import assert from 'node:assert/strict'
import { appendFile, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { EventQueue } from '../../src/notify/queue.ts'

const { signal } = new AbortController()

async function place() {
  const folder = await mkdtemp(join(tmpdir(), 'entrepot-queue-'))
  return { file: join(folder, 'e.events'), [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }) }
}

async function take(queue: EventQueue, count: number): Promise<string[]> {
  const taken: string[] = []
  for (let at = 0; at < count; at += 1) {
    const text = await queue.next(signal)
    await queue.acknowledge(text)
    taken.push(text)
  }
  return taken
}

const texts = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, at) => JSON.stringify({ at: from + at, pad: 'x'.repeat(300) }))

test('gives in order what was put in, also while more comes, and its file does not grow for ever', async () => {
  await using at = await place()
  const queue = await EventQueue.open(at.file)
  const all = texts(0, 1000)
  for (const text of all.slice(0, 500)) queue.push(text)
  const first = await take(queue, 300)
  for (const text of all.slice(500)) queue.push(text)
  assert.equal(queue.waiting, 700)
  assert.deepEqual([...first, ...(await take(queue, 700))], all)
  await queue.close()
  assert.equal((await readFile(at.file, 'utf8')).length, 0)
})

test('goes on after a restart where it was', async () => {
  await using at = await place()
  const before = await EventQueue.open(at.file)
  for (const text of texts(0, 100)) before.push(text)
  await take(before, 30)
  await before.close()
  const after = await EventQueue.open(at.file)
  assert.equal(after.waiting, 70)
  after.push('{"at":"last"}')
  assert.deepEqual(await take(after, 71), [...texts(30, 100), '{"at":"last"}'])
  await after.close()
})

test('after a crash nothing is lost, a torn line is no event, and at most what was not noted comes again', async () => {
  await using at = await place()
  const before = await EventQueue.open(at.file)
  for (const text of texts(0, 200)) before.push(text)
  await take(before, 100)
  // The process is gone here: nobody closes the queue.
  await appendFile(at.file, '{"torn')
  const after = await EventQueue.open(at.file)
  assert.equal(after.waiting, 200 - 64)
  after.push('{"at":"new"}')
  assert.deepEqual(await take(after, 137), [...texts(64, 200), '{"at":"new"}'])
  await after.close()
  await before.close()
})

test('takes events of any length', async () => {
  await using at = await place()
  const queue = await EventQueue.open(at.file)
  const long = JSON.stringify('é'.repeat(200_000))
  queue.push(long)
  queue.push('"short"')
  assert.deepEqual(await take(queue, 2), [long, '"short"'])
  await queue.close()
})

test('who waits for an event can be told to stop', async () => {
  await using at = await place()
  const queue = await EventQueue.open(at.file)
  const stop = new AbortController()
  const waiting = queue.next(stop.signal)
  stop.abort(new Error('enough'))
  await assert.rejects(waiting, /enough/)
  await queue.close()
})
