// HMAC-SHA-256. Of a bare secret Node makes a key anew for each call, which costs ten times what the hash does.
import { createHmac, createSecretKey, type KeyObject } from 'node:crypto'

/** Secrets of a server are few; a new one comes with a change of http.secret. */
const mostKeys = 16
const keys = new Map<string, KeyObject>()

/** A text is a secret that the server keeps; one that clients choose belongs in a key of its own. */
export function hmacSha256(secret: string | KeyObject, data: string | Uint8Array): Buffer {
  return createHmac('sha256', typeof secret === 'string' ? keyOf(secret) : secret)
    .update(data)
    .digest()
}

function keyOf(secret: string): KeyObject {
  const known = keys.get(secret)
  if (known !== undefined) return known
  const key = createSecretKey(secret, 'utf8')
  if (keys.size >= mostKeys) keys.clear()
  keys.set(secret, key)
  return key
}
