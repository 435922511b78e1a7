import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isSignedByPeer, signPeer } from '../../src/cluster/peer-signature.ts'

const now = Date.UTC(2026, 0, 1)
const request = { method: 'GET', target: '/_cluster/v2/library/nginx/blobs/sha256:ab?x=1' }
const signature = signPeer('secret', request.method, request.target, now)

test('what a replica signed is believed by one with the same secret', () => {
  assert.equal(isSignedByPeer('secret', { ...request, signature }, now), true)
  assert.equal(isSignedByPeer('secret', { ...request, signature }, now + 200_000), true)
})

for (const [what, secret, changed, at] of [
  ['another secret', 'other', { ...request, signature }, now],
  ['another method', 'secret', { ...request, method: 'HEAD', signature }, now],
  ['another target', 'secret', { ...request, target: `${request.target}2`, signature }, now],
  ['an old one', 'secret', { ...request, signature }, now + 400_000],
  ['one from the future', 'secret', { ...request, signature }, now - 400_000],
  ['another time with the same code', 'secret', { ...request, signature: signature.replace(/^\d+/, String(now + 1)) }, now],
  ['none', 'secret', { ...request, signature: undefined }, now],
  ['nonsense', 'secret', { ...request, signature: '1.2' }, now],
  ['a code of the right length that is none', 'secret', { ...request, signature: `${now}.${'A'.repeat(43)}` }, now],
] as const) {
  test(`a signature is refused: ${what}`, () => {
    assert.equal(isSignedByPeer(secret, changed, at), false)
  })
}
