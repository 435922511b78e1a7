// Which key may have signed a token: those of `rootcertbundle` and `jwks`, and what a chain of certificates in the token leads to.
import { createPublicKey, type JsonWebKey, type KeyObject, X509Certificate } from 'node:crypto'
import { isTrustedChain } from './certificate-chain.ts'
import { libtrustFingerprint, thumbprint } from './key-names.ts'

export interface TrustedKey {
  readonly key: KeyObject
  /** The only algorithm that it is for, where its file says so. */
  readonly algorithm?: string
}

/** Of a token, not yet verified. */
export interface KeyHints {
  readonly x5c?: unknown
  readonly jwk?: unknown
  readonly kid?: unknown
}

export interface KeySources {
  readonly roots: readonly X509Certificate[]
  /** By each name that a token may call it by. */
  readonly named: ReadonlyMap<string, TrustedKey>
}

/** A root's own key signs tokens, too, named by either fingerprint. */
export function keysOfRoots(roots: readonly X509Certificate[]): ReadonlyMap<string, TrustedKey> {
  return new Map(roots.flatMap(({ publicKey: key }) => [libtrustFingerprint(key), thumbprint(key)].map((name) => [name, { key }] as const)))
}

/** A JSON Web Key Set (RFC 7517, section 5). Throws Errors that say which key is none that a token may be signed with. */
export function parseJwks(text: string): ReadonlyMap<string, TrustedKey> {
  const { keys } = JSON.parse(text) as { keys?: unknown }
  if (!Array.isArray(keys)) throw new Error('it has no list "keys"')
  const named = new Map<string, TrustedKey>()
  for (const [at, jwk] of (keys as readonly Record<string, unknown>[]).entries()) {
    if (jwk['use'] !== undefined && jwk['use'] !== 'sig') continue
    const key = publicKeyOf(jwk)
    if (key === undefined)
      throw new Error(`keys[${at}]: unsupported key type ${String(jwk['kty'])}: tokens are signed with RSA, EC or OKP keys`)
    const trusted = typeof jwk['alg'] === 'string' ? { key, algorithm: jwk['alg'] } : { key }
    if (typeof jwk['kid'] === 'string') named.set(jwk['kid'], trusted)
    for (const name of [thumbprint(key), libtrustFingerprint(key)]) named.set(name, trusted)
  }
  return named
}

/** `undefined`: the token names no key that is trusted. In distribution's order: x5c, jwk, kid; only the first that is there counts. */
export function findKey({ x5c, jwk, kid }: KeyHints, { roots, named }: KeySources, now: number): TrustedKey | undefined {
  if (Array.isArray(x5c) && x5c.length > 0) return keyOfChain(x5c, roots, now)
  if (jwk !== undefined) {
    const key = publicKeyOf(jwk)
    if (key === undefined) return undefined
    const chain = (jwk as { x5c?: unknown }).x5c
    if (!Array.isArray(chain)) return named.get(thumbprint(key))
    const vouched = keyOfChain(chain, roots, now)
    return vouched?.key.equals(key) === true ? vouched : undefined
  }
  return typeof kid === 'string' ? named.get(kid) : undefined
}

function keyOfChain(x5c: readonly unknown[], roots: readonly X509Certificate[], now: number): TrustedKey | undefined {
  const chain = certificatesOf(x5c)
  const [leaf] = chain ?? []
  return chain !== undefined && leaf !== undefined && isTrustedChain(chain, roots, now) ? { key: leaf.publicKey } : undefined
}

function certificatesOf(x5c: readonly unknown[]): X509Certificate[] | undefined {
  try {
    return x5c.map((text) => new X509Certificate(Buffer.from(String(text), 'base64')))
  } catch {
    return undefined
  }
}

/** `undefined`: symmetric, or no key at all. */
function publicKeyOf(jwk: unknown): KeyObject | undefined {
  if (typeof jwk !== 'object' || jwk === null || (jwk as JsonWebKey).kty === 'oct') return undefined
  try {
    return createPublicKey({ key: jwk as JsonWebKey, format: 'jwk' })
  } catch {
    return undefined
  }
}
