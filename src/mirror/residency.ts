// Who may stay: how much has to go, and which roots may. Pure; sizes, times and free space come in as facts.
import { compileGlobs } from '../lib/globs.ts'
import { type Digest, isDigest } from '../oci/digest.ts'
import type { RepositoryName, Tag } from '../oci/names.ts'

/** Eviction begins above proxy.maxsize, the high mark, and goes on until this part of it, the low mark. */
export const lowShare = 0.9
/** Below storage.minfree so much more is freed, so that eviction does not begin anew at each blob. */
export const freeSlackShare = 0.1

export interface ResidencyLimits {
  /** Bytes that the store may have; `undefined`: any. */
  readonly highBytes: number | undefined
  /** Bytes of the disk that must stay free; `undefined`: none. */
  readonly minFreeBytes: number | undefined
}

export interface ResidencyFacts {
  readonly storedBytes: number
  /** Of fills that are running, whole. */
  readonly reservedBytes: number
  /** Of the disk, now; `undefined`: not known. */
  readonly freeBytes: number | undefined
}

/** In bytes, or as a share of the disk. */
export type SizeLimit = { readonly bytes: number } | { readonly percent: number }

export type Pressure = 'size' | 'disk'

/** `maxsize` and `minfree` of the configuration, on a disk of this size. A share of a disk that nobody knows is no limit. */
export function limitsOf(maxSize: SizeLimit | undefined, minFree: SizeLimit | undefined, diskBytes: number | undefined): ResidencyLimits {
  return { highBytes: bytesOf(maxSize, diskBytes), minFreeBytes: bytesOf(minFree, diskBytes) }
}

function bytesOf(limit: SizeLimit | undefined, diskBytes: number | undefined): number | undefined {
  if (limit === undefined) return undefined
  if ('bytes' in limit) return limit.bytes
  return diskBytes === undefined ? undefined : Math.floor((limit.percent / 100) * diskBytes)
}

/** Which limit is broken, and how many bytes have to go until there is some room again. `undefined`: none. */
export function pressureOf(facts: ResidencyFacts, limits: ResidencyLimits): { reason: Pressure; bytes: number } | undefined {
  const { storedBytes, reservedBytes, freeBytes } = facts
  const { highBytes, minFreeBytes } = limits
  const bySize = highBytes !== undefined && storedBytes + reservedBytes > highBytes
  const tooMany = bySize ? storedBytes + reservedBytes - Math.floor(highBytes * lowShare) : 0
  const byDisk = minFreeBytes !== undefined && freeBytes !== undefined && freeBytes - reservedBytes < minFreeBytes
  const tooFew = byDisk ? minFreeBytes + Math.ceil(minFreeBytes * freeSlackShare) - (freeBytes - reservedBytes) : 0
  if (!bySize && !byDisk) return undefined
  return tooFew > tooMany ? { reason: 'disk', bytes: tooFew } : { reason: 'size', bytes: Math.min(tooMany, storedBytes) }
}

/** Whether something of this size could ever be kept; else nothing else should go for it. */
export function canFit(bytes: number, { highBytes }: ResidencyLimits): boolean {
  return highBytes === undefined || bytes <= highBytes
}

/** Patterns are digests, or globs on `repository` or `repository:tag`; Docker Hub's own images with or without `library/`. */
export type IsPinned = (content: { readonly repository: RepositoryName; readonly digest: Digest; readonly tags: readonly Tag[] }) => boolean

/** `undefined`: nothing is pinned. */
export function createPins(patterns: readonly string[]): IsPinned | undefined {
  if (patterns.length === 0) return undefined
  const digests = new Set(patterns.filter(isDigest))
  const fits = compileGlobs(patterns.filter((pattern) => !isDigest(pattern)))
  return ({ repository, digest, tags }) => {
    if (digests.has(digest)) return true
    const names = repository.startsWith('library/') ? [repository, repository.slice('library/'.length)] : [repository]
    return names.some((name) => fits(name) || tags.some((tag) => fits(`${name}:${tag}`)))
  }
}

/** `ttlMs` of 0 or less: for ever. */
export function isExpired(usedAt: number, ttlMs: number, now: number): boolean {
  return ttlMs > 0 && now - usedAt > ttlMs
}
