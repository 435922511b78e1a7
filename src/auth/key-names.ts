// How tokens name the key that signed them: two kinds of fingerprints of its public half.
import { createHash, type KeyObject } from 'node:crypto'

/** distribution 2's: the first 240 bits of the hash of the key, in base32, in groups of four: `ABCD:EFGH:…`. */
export function libtrustFingerprint(key: KeyObject): string {
  const hash = createHash('sha256')
    .update(key.export({ type: 'spki', format: 'der' }))
    .digest()
  return (base32(hash.subarray(0, 30)).match(/.{4}/g) ?? []).join(':')
}

/** RFC 7638, which distribution 3 uses: the hash of the members that make the key, in the order of their names. */
export function thumbprint(key: KeyObject): string {
  const { crv, e, kty, n, x, y } = key.export({ format: 'jwk' })
  // JSON leaves out what is undefined: each kind of key has its own members.
  return createHash('sha256').update(JSON.stringify({ crv, e, kty, n, x, y })).digest('base64url')
}

/** RFC 4648, section 6, for lengths that need no padding. */
function base32(bytes: Uint8Array): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'
  const bits = Array.from(bytes, (byte) => byte.toString(2).padStart(8, '0')).join('')
  return (bits.match(/.{5}/g) ?? []).map((group) => alphabet[Number.parseInt(group, 2)]).join('')
}
