// Requests from one replica to another are signed with the secret that all replicas share. Pure.
import { timingSafeEqual } from 'node:crypto'
import { hmacSha256 } from '../lib/hmac.ts'

/** The header of the signature, in lower case. */
export const signatureHeader = 'x-entrepot-peer'

/** Clocks of replicas may differ by so much; within it a request could be repeated, which reads the same bytes once more. */
const skewMs = 5 * 60_000

/** `target` is the path with its query, as it stands in the request line. `now` in milliseconds since 1970. */
export function signPeer(secret: string, method: string, target: string, now: number): string {
  return `${now}.${macOf(secret, method, target, now).toString('base64url')}`
}

export function isSignedByPeer(
  secret: string,
  request: { readonly method: string; readonly target: string; readonly signature: string | undefined },
  now: number,
): boolean {
  const [, at, mac] = /^(\d{1,15})\.([\w-]{43})$/.exec(request.signature ?? '') ?? []
  if (at === undefined || mac === undefined || Math.abs(now - Number(at)) > skewMs) return false
  return timingSafeEqual(Buffer.from(mac, 'base64url'), macOf(secret, request.method, request.target, Number(at)))
}

function macOf(secret: string, method: string, target: string, at: number): Buffer {
  return hmacSha256(secret, `entrepot peer\n${method}\n${target}\n${at}`)
}
