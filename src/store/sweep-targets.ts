// The sweep for eviction: it takes named content out of a repository, and with it the bytes that nobody else links. It knows from its
// caller what may go, and looks at the links of repositories that are pushed to before it believes that.
import pLimit from 'p-limit'
import type { EvictionOutcome, EvictionTarget } from '../content-sink.ts'
import type { Digest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/names.ts'
import { repositoryFolders } from './catalog.ts'
import type { StorageDriver } from './driver.ts'
import { blobDataPath, currentLinkPath, layerLinkPath, referrerPath, revisionLinkPath, tagFolder } from './layout.ts'
import { readLink } from './links.ts'
import { deleteBlob } from './sweep-blob.ts'
import { factsOf } from './sweep-marks.ts'
import { trouble } from './trouble.ts'

/** What a client that mounts a blob needs between its check and its link. */
const mountingMs = 60_000
/** Files that are deleted at once. */
const mostAtOnce = 8

export interface TargetSweepParts {
  readonly driver: StorageDriver
  readonly now: () => number
  readonly forget: (repository: RepositoryName, digest: Digest) => Promise<void>
  /** Repositories that are pushed to, by this program or another on the same folder; `undefined`: there are none. */
  readonly isOwn: ((repository: RepositoryName) => boolean) | undefined
}

export type TargetSweep = (target: EvictionTarget) => Promise<EvictionOutcome>

/** For one run of eviction, because it looks up only once whom it has to spare. */
export async function openTargetSweep(parts: TargetSweepParts, signal: AbortSignal): Promise<TargetSweep> {
  const owners = await ownersIn(parts, signal)
  return (target) => sweepTargets(parts, target, owners)
}

/** Throws what the driver throws; what went before stays gone. */
async function sweepTargets(parts: TargetSweepParts, target: EvictionTarget, owners: readonly RepositoryName[]): Promise<EvictionOutcome> {
  const { repository, tags, links, blobs } = target
  // Where nobody pushes, what goes too early is fetched again.
  const isExclusive = parts.isOwn === undefined
  const deletion = { isExclusive, youngSince: isExclusive ? parts.now() : parts.now() - mountingMs - (parts.driver.renewalSlackMs ?? 0) }
  try {
    if (!isExclusive && (await hasYoung(parts.driver, blobs, deletion.youngSince))) return { bytes: 0, isSpared: true }
    for (const { digest } of links.filter(({ kind }) => kind === 'manifest')) await removeManifest(parts, repository, digest, tags)
    const limit = pLimit(mostAtOnce)
    const layers = links.filter(({ kind }) => kind === 'blob')
    await Promise.all(layers.map(({ digest }) => limit(() => removeLink(parts, layerLinkPath(repository, digest), repository, digest))))
    const deleted = await Promise.all(
      blobs.map((digest) =>
        limit(async () => {
          if (await isLinkedByAny(parts.driver, owners, digest)) return undefined
          return deleteBlob(parts.driver, digest, deletion)
        }),
      ),
    )
    return { bytes: deleted.reduce<number>((sum, bytes) => sum + (bytes ?? 0), 0), isSpared: false }
  } catch (error) {
    throw trouble(`evicting ${links[0]?.digest} from ${repository}`, error)
  }
}

/** Repositories that the sweep has to look into. */
async function ownersIn({ driver, isOwn }: TargetSweepParts, signal: AbortSignal): Promise<RepositoryName[]> {
  const owners: RepositoryName[] = []
  if (isOwn === undefined) return owners
  for await (const [repository] of repositoryFolders((path) => driver.list(path), signal)) if (isOwn(repository)) owners.push(repository)
  return owners
}

async function removeManifest(
  parts: TargetSweepParts,
  repository: RepositoryName,
  digest: Digest,
  tags: EvictionTarget['tags'],
): Promise<void> {
  const { driver } = parts
  // Tags first: one that points at nothing would be listed for ever.
  for (const tag of tags) {
    if ((await readLink(driver, currentLinkPath(repository, tag))) === digest) await driver.remove(tagFolder(repository, tag))
  }
  const subject = (await factsOf(driver, digest))?.subject
  await removeLink(parts, revisionLinkPath(repository, digest), repository, digest)
  if (subject !== undefined) await driver.remove(referrerPath(repository, subject, digest))
}

async function removeLink({ driver, forget }: TargetSweepParts, link: string, repository: RepositoryName, digest: Digest): Promise<void> {
  await driver.remove(link)
  await driver.removeEmptyFolder(link.slice(0, link.lastIndexOf('/')))
  await forget(repository, digest)
}

async function hasYoung(driver: StorageDriver, blobs: readonly Digest[], youngSince: number): Promise<boolean> {
  for (const digest of blobs) if (((await driver.stat(blobDataPath(digest)))?.modifiedAt ?? 0) >= youngSince) return true
  return false
}

async function isLinkedByAny(driver: StorageDriver, repositories: readonly RepositoryName[], digest: Digest): Promise<boolean> {
  for (const repository of repositories) {
    for (const link of [layerLinkPath(repository, digest), revisionLinkPath(repository, digest)]) {
      if ((await driver.stat(link)) !== undefined) return true
    }
  }
  return false
}
