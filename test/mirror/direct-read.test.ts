// Bytes straight from upstream to one client: the last byte waits for the verdict where there can be one.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { UpstreamFailure } from '../../src/content.ts'
import { readDirectly } from '../../src/mirror/direct-read.ts'
import { digestOf, hashFor } from '../../src/oci/digest.ts'
import { collected, scripted } from './transfers.ts'

const text = 'abcdefghijklmnopqrstuvwxyz0123456789'
const bytes = Buffer.from(text)
const digest = digestOf(bytes)
const size = bytes.length

/** An upstream that has these bytes, of the right length. */
function having(content: Buffer) {
  return scripted(size, ({ start, end }) => ({ bytes: content.subarray(start, end === undefined ? size : end + 1) }))
}

const wrong = Buffer.from(text.replace('a', 'A'))

test('the whole blob passes when it is what it should be', async () => {
  const read = readDirectly({ digest, start: 0, end: size, size, hash: hashFor(digest) }, having(bytes).options)
  assert.deepEqual(await collected(read), { text, error: undefined })
})

test('of a wrong blob the last byte is never given out', async () => {
  const read = readDirectly({ digest, start: 0, end: size, size, hash: hashFor(digest) }, having(wrong).options)
  const { text: got, error } = await collected(read)
  assert.equal(got, wrong.toString().slice(0, -1))
  assert.ok(error instanceof UpstreamFailure && error.kind === 'broken')
})

test('the hash of what a reader had before counts', async () => {
  const before = hashFor(digest).update(bytes.subarray(0, 10))
  const read = readDirectly({ digest, start: 10, end: size, size, hash: before }, having(bytes).options)
  assert.deepEqual(await collected(read), { text: text.slice(10), error: undefined })
  const other = hashFor(digest).update(wrong.subarray(0, 10))
  assert.ok((await collected(readDirectly({ digest, start: 10, end: size, size, hash: other }, having(bytes).options))).error)
})

test('a range of which nothing can be said passes as it is', async () => {
  const source = having(bytes)
  assert.deepEqual(await collected(readDirectly({ digest, start: 3, end: 6, size }, source.options)), { text: 'def', error: undefined })
  assert.deepEqual(source.ranges, [{ start: 3, end: 5 }])
})
