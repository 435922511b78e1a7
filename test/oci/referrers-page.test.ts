import assert from 'node:assert/strict'
import { it } from 'node:test'
import { referrersPage } from '../../src/oci/referrers-page.ts'

const index = (...digests: readonly string[]) =>
  Buffer.from(JSON.stringify({ schemaVersion: 2, more: 'kept', manifests: digests.map((digest) => ({ digest, pad: 'x'.repeat(50) })) }))

/** What is on the page, and after which it goes on. */
function paged(bytes: Buffer, last: string | undefined, maxBytes: number): readonly [string, string | undefined] {
  const { bytes: page, next } = referrersPage(bytes, last, maxBytes)
  const { more, manifests } = JSON.parse(Buffer.from(page).toString()) as { more: string; manifests: { digest: string }[] }
  assert.equal(more, 'kept')
  return [manifests.map(({ digest }) => digest).join(''), next]
}

it('a list that fits is given as it is', () => {
  const bytes = index('c', 'a', 'b')
  assert.equal(referrersPage(bytes, undefined, bytes.length).bytes, bytes)
})

it('one that does not is sorted, and cut where it is full', () => {
  const bytes = index('c', 'a', 'd', 'b')
  const two = index('a', 'b').length
  assert.deepEqual(paged(bytes, undefined, two), ['ab', 'b'])
  assert.deepEqual(paged(bytes, 'b', two), ['cd', undefined])
  assert.ok(referrersPage(bytes, undefined, two + 10).bytes.length <= two + 10)
})

it('goes on after a digest that is no longer there', () => {
  assert.deepEqual(paged(index('c', 'a', 'd'), 'b', 10_000), ['cd', undefined])
  assert.deepEqual(paged(index('a'), 'z', 10_000), ['', undefined])
})

it('has one at least, however large that is', () => {
  assert.deepEqual(paged(index('a', 'b'), undefined, 10), ['a', 'a'])
  assert.deepEqual(paged(index('a', 'b'), 'a', 10), ['b', undefined])
})
