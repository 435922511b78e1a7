// Digests: the names of content. A `Digest` exists only after its text was checked, so it is safe in paths and keys.
import { createHash, hash, type Hash } from 'node:crypto'
import { RegistryError } from './errors.ts'

declare const brand: unique symbol
/** `algorithm:lower-case hex`, of an algorithm that this registry can verify. */
export type Digest = string & { readonly [brand]: 'Digest' }
export const digestAlgorithms = ['sha256', 'sha384', 'sha512'] as const
export type DigestAlgorithm = (typeof digestAlgorithms)[number]

const hexLengths: Readonly<Record<DigestAlgorithm, number>> = { sha256: 64, sha384: 96, sha512: 128 }
const pattern = /^(sha256|sha384|sha512):([a-f0-9]+)$/

/** image-spec, "Digests": the registered algorithms use lower-case hex of their full length. */
export function isDigest(text: string): text is Digest {
  const match = pattern.exec(text)
  return match !== null && match[2]?.length === hexLengths[match[1] as DigestAlgorithm]
}

export function isDigestAlgorithm(text: string): text is DigestAlgorithm {
  return Object.hasOwn(hexLengths, text)
}

/** Throws RegistryError DIGEST_INVALID. */
export function parseDigest(text: string): Digest {
  if (isDigest(text)) return text
  throw new RegistryError('DIGEST_INVALID', 'invalid checksum digest format', { detail: text.slice(0, 200) })
}

export function algorithmOf(digest: Digest): DigestAlgorithm {
  return digest.slice(0, digest.indexOf(':')) as DigestAlgorithm
}

export function hexOf(digest: Digest): string {
  return digest.slice(digest.indexOf(':') + 1)
}

export function digestOf(bytes: Uint8Array, algorithm: DigestAlgorithm = 'sha256'): Digest {
  return `${algorithm}:${hash(algorithm, bytes, 'hex')}` as Digest
}

/** A running hash for content that arrives in pieces; finish it with `digestOfHash`. */
export function hashFor(digest: Digest): Hash {
  return createHash(algorithmOf(digest))
}

/** Ends the running hash. The hash can't be used afterwards; `copy()` it first to go on. */
export function digestOfHash(running: Hash, algorithm: DigestAlgorithm): Digest {
  return `${algorithm}:${running.digest('hex')}` as Digest
}
