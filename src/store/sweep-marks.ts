// The mark half of mark and sweep: which content of a repository is in use, and which may go. It deletes nothing.
import { type Digest, digestAlgorithms, isDigest } from '../oci/digest.ts'
import { type ManifestNeeds, manifestNeeds, maxManifestBytes } from '../oci/manifest.ts'
import { isTag, type RepositoryName } from '../oci/names.ts'
import type { StorageDriver } from './driver.ts'
import {
  blobDataPath,
  currentLinkPath,
  layerLinkPath,
  layersFolderOf,
  revisionLinkPath,
  revisionsFolder,
  tagsFolder,
  uploadFolder,
} from './layout.ts'
import { readLink } from './links.ts'
import { listUploads } from './purge-uploads.ts'
import { readStartedAt } from './uploads.ts'

export interface MarkParts {
  readonly driver: StorageDriver
  /** What was last changed since then (milliseconds since 1970) is kept, because somebody may be about to point at it. */
  readonly youngSince: number
  readonly graceMs: number
  readonly deleteUntagged: boolean
}

export type ManifestFacts = ManifestNeeds

/** `undefined` for a manifest that can't be read: nothing is known of what it needs. */
export type Manifests = ReadonlyMap<Digest, ManifestFacts | undefined>

export interface RepositoryMarks {
  readonly kept: Manifests
  readonly removable: Manifests
  /** Blobs that no kept manifest needs, but that were linked or relied on lately. */
  readonly youngBlobs: readonly Digest[]
  readonly removableLinks: readonly Digest[]
}

export async function markRepository(parts: MarkParts, repository: RepositoryName): Promise<RepositoryMarks> {
  const { driver } = parts
  const all = new Map<Digest, ManifestFacts | undefined>()
  for (const digest of await linkedDigests(driver, (algorithm) => revisionsFolder(repository, algorithm))) {
    if ((await driver.stat(revisionLinkPath(repository, digest)))?.kind === 'file') all.set(digest, await factsOf(driver, digest))
  }
  const keptDigests = parts.deleteUntagged ? await inUse(parts, repository, all) : new Set(all.keys())
  const kept = new Map([...all].filter(([digest]) => keptDigests.has(digest)))
  const removable = new Map([...all].filter(([digest]) => !keptDigests.has(digest)))
  return { kept, removable, ...(await judgeLinks(parts, repository, kept)) }
}

/** Manifests that a tag names, that came or were relied on lately, that one of these lists, or whose subject is one of these. */
async function inUse(parts: MarkParts, repository: RepositoryName, all: Manifests): Promise<Set<Digest>> {
  const found = [...(await taggedDigests(parts.driver, repository))]
  for (const [digest, facts] of all) {
    // What can't be read may be an index of others, or the disk may be in trouble: not the time to delete it.
    if (facts === undefined || (await isYoung(parts, revisionLinkPath(repository, digest), digest))) found.push(digest)
  }
  const referrers = referrersAmong(all)
  const kept = new Set<Digest>()
  for (let digest = found.pop(); digest !== undefined; digest = found.pop()) {
    if (kept.has(digest)) continue
    kept.add(digest)
    const children = all.get(digest)?.references ?? []
    found.push(...children.filter((child) => all.has(child)), ...(referrers.get(digest) ?? []))
  }
  return kept
}

/** By subject. */
function referrersAmong(all: Manifests): Map<Digest, Digest[]> {
  const referrers = new Map<Digest, Digest[]>()
  for (const [digest, facts] of all) {
    if (facts?.subject === undefined) continue
    const known = referrers.get(facts.subject)
    if (known === undefined) referrers.set(facts.subject, [digest])
    else known.push(digest)
  }
  return referrers
}

async function judgeLinks(
  parts: MarkParts,
  repository: RepositoryName,
  kept: Manifests,
): Promise<Pick<RepositoryMarks, 'youngBlobs' | 'removableLinks'>> {
  const { driver } = parts
  const needed = new Set([...kept.values()].flatMap((facts) => facts?.references ?? []))
  const links = await linkedDigests(driver, (algorithm) => layersFolderOf(repository, algorithm))
  const others = links.filter((digest) => !needed.has(digest))
  if (others.length === 0) return { youngBlobs: [], removableLinks: [] }
  // A manifest that can't be read may need any of them.
  if ([...kept.values()].includes(undefined)) return { youngBlobs: others, removableLinks: [] }
  const youngSince = Math.min(parts.youngSince, (await pushingSince(parts, repository)) - parts.graceMs)
  const [youngBlobs, removableLinks]: [Digest[], Digest[]] = [[], []]
  for (const digest of others) {
    const isYoungOne = await isYoung({ ...parts, youngSince }, layerLinkPath(repository, digest), digest)
    ;(isYoungOne ? youngBlobs : removableLinks).push(digest)
  }
  return { youngBlobs, removableLinks }
}

/** When the oldest upload began that still goes on: a push may have finished its first layers hours ago. Infinity: none goes on. */
async function pushingSince({ driver, youngSince }: MarkParts, repository: RepositoryName): Promise<number> {
  let since = Number.POSITIVE_INFINITY
  for (const id of await listUploads(driver, repository)) {
    const folder = uploadFolder(repository, id)
    const startedAt = await readStartedAt(driver, folder)
    if (startedAt === undefined) continue
    const wroteAt = Math.max(startedAt, (await driver.stat(`${folder}/data`))?.modifiedAt ?? 0)
    if (wroteAt >= youngSince) since = Math.min(since, startedAt)
  }
  return since
}

/** The link's time or that of the bytes: whoever relies on a blob renews at least one of them. */
export async function isYoung(
  { driver, youngSince }: Pick<MarkParts, 'driver' | 'youngSince'>,
  link: string,
  digest: Digest,
): Promise<boolean> {
  const entries = await Promise.all([driver.stat(link), driver.stat(blobDataPath(digest))])
  return entries.some((entry) => entry !== undefined && entry.modifiedAt >= youngSince)
}

export async function taggedDigests(driver: StorageDriver, repository: RepositoryName): Promise<Set<Digest>> {
  const digests = new Set<Digest>()
  for (const tag of ((await driver.list(tagsFolder(repository))) ?? []).filter(isTag)) {
    const digest = await readLink(driver, currentLinkPath(repository, tag))
    if (digest !== undefined) digests.add(digest)
  }
  return digests
}

/** Digests by which the folders below are named, sorted. */
export async function linkedDigests(
  driver: StorageDriver,
  folderOf: (algorithm: (typeof digestAlgorithms)[number]) => string,
): Promise<Digest[]> {
  const digests: Digest[] = []
  for (const algorithm of digestAlgorithms) {
    const names = ((await driver.list(folderOf(algorithm))) ?? []).sort()
    digests.push(...names.map((hex) => `${algorithm}:${hex}`).filter(isDigest))
  }
  return digests
}

/** `undefined`: it is not there, or is not readable as a manifest. */
export async function factsOf(driver: StorageDriver, digest: Digest): Promise<ManifestFacts | undefined> {
  const entry = await driver.stat(blobDataPath(digest))
  if (entry?.kind !== 'file' || entry.size > maxManifestBytes) return undefined
  const bytes = await driver.read(blobDataPath(digest))
  if (bytes === undefined) return undefined
  return manifestNeeds(bytes)
}
