// Looks at all that is kept, byte by byte and link by link, beside whoever uses it: damaged blobs, links that hold something else than
// they should, and links whose content is gone. With `isRepair` damaged bytes are put aside and links written anew; what must be
// fetched again is told.
import type { Clock } from '../lib/clock.ts'
import { type Digest, digestAlgorithms, isDigest } from '../oci/digest.ts'
import { isTag, type RepositoryName } from '../oci/names.ts'
import { repositoryFolders } from './catalog.ts'
import type { StorageDriver } from './driver.ts'
import {
  blobDataPath,
  blobsFolder,
  currentLinkPath,
  layerLinkPath,
  layersFolderOf,
  revisionLinkPath,
  revisionsFolder,
  tagsFolder,
} from './layout.ts'
import { ensureLink, readLink } from './links.ts'
import { checkBlob, quarantine } from './quarantine.ts'
import { linkedDigests } from './sweep-marks.ts'
import { trouble } from './trouble.ts'

export interface ScrubOptions {
  readonly isRepair: boolean
  /** Read no faster than that; `undefined`: as fast as the disk gives them. */
  readonly bytesPerSecond?: number | undefined
}

/** Content of a repository that it should have. */
export interface ScrubFinding {
  readonly repository: RepositoryName
  readonly digest: Digest
  readonly kind: 'manifest' | 'blob'
  /** damaged: its bytes are others; missing: it has none; link: only the link to it was wrong. */
  readonly what: 'damaged' | 'missing' | 'link'
}

export interface ScrubTotals {
  readonly blobs: number
  readonly bytes: number
  readonly damaged: readonly Digest[]
}

export interface ScrubParts {
  readonly driver: StorageDriver
  readonly clock: Clock
  readonly options: ScrubOptions
  readonly report: (finding: ScrubFinding) => Promise<void> | void
  /** Told before damaged bytes go. */
  readonly forget: (repository: RepositoryName, digest: Digest) => Promise<void>
}

/** A damaged blob that no repository links is in the totals only. */
export async function scrub(parts: ScrubParts, signal: AbortSignal): Promise<ScrubTotals> {
  try {
    const totals = await checkBlobs(parts, signal)
    const damaged = new Set(totals.damaged)
    const list = (path: string) => parts.driver.list(path)
    for await (const [repository] of repositoryFolders(list, signal)) await checkRepository(parts, repository, damaged, signal)
    return totals
  } catch (error) {
    signal.throwIfAborted()
    throw trouble('verifying the store', error)
  }
}

async function checkBlobs({ driver, clock, options }: ScrubParts, signal: AbortSignal): Promise<ScrubTotals> {
  const damaged: Digest[] = []
  const startedAt = clock.now()
  let [blobs, bytes] = [0, 0]
  const pace = async (length: number) => {
    bytes += length
    if (options.bytesPerSecond === undefined) return
    const aheadMs = (bytes / options.bytesPerSecond) * 1000 - (clock.now() - startedAt)
    if (aheadMs > 100) await clock.sleep(aheadMs, signal)
  }
  for await (const digest of storedBlobs(driver, signal)) {
    const state = await checkBlob(driver, digest, signal, pace)
    if (state === 'absent') continue
    blobs += 1
    if (state === 'sound') continue
    damaged.push(digest)
    if (options.isRepair) await quarantine(driver, digest, clock.now())
  }
  return { blobs, bytes, damaged }
}

async function* storedBlobs(driver: StorageDriver, signal: AbortSignal): AsyncGenerator<Digest, void, void> {
  for (const algorithm of digestAlgorithms) {
    for (const prefix of (await driver.list(`${blobsFolder}/${algorithm}`)) ?? []) {
      for (const hex of (await driver.list(`${blobsFolder}/${algorithm}/${prefix}`)) ?? []) {
        signal.throwIfAborted()
        const digest = `${algorithm}:${hex}`
        if (isDigest(digest)) yield digest
      }
    }
  }
}

async function checkRepository(
  parts: ScrubParts,
  repository: RepositoryName,
  damaged: ReadonlySet<Digest>,
  signal: AbortSignal,
): Promise<void> {
  const { driver } = parts
  const manifests = await linkedDigests(driver, (algorithm) => revisionsFolder(repository, algorithm))
  const blobs = await linkedDigests(driver, (algorithm) => layersFolderOf(repository, algorithm))
  for (const digest of manifests) {
    signal.throwIfAborted()
    await checkLink(parts, { repository, digest, kind: 'manifest' }, revisionLinkPath(repository, digest), damaged)
  }
  for (const digest of blobs) {
    signal.throwIfAborted()
    await checkLink(parts, { repository, digest, kind: 'blob' }, layerLinkPath(repository, digest), damaged)
  }
  const known = new Set(manifests)
  for (const tag of ((await driver.list(tagsFolder(repository))) ?? []).filter(isTag)) {
    const digest = await readLink(driver, currentLinkPath(repository, tag))
    if (digest === undefined || known.has(digest)) continue
    known.add(digest)
    const finding = { repository, digest, kind: 'manifest', what: 'missing' } as const
    // It may have come since the manifests were listed.
    if ((await driver.stat(revisionLinkPath(repository, digest))) === undefined) await parts.report(finding)
  }
}

async function checkLink(
  { driver, options, report, forget }: ScrubParts,
  content: Omit<ScrubFinding, 'what'>,
  link: string,
  damaged: ReadonlySet<Digest>,
): Promise<void> {
  const { repository, digest } = content
  // A folder that is left of a link that was removed is nothing.
  if ((await driver.stat(link)) === undefined) return
  const isRight = (await readLink(driver, link)) === digest
  if (!isRight && options.isRepair) await ensureLink(driver, link, digest)
  const isThere = (await driver.stat(blobDataPath(digest)))?.kind === 'file'
  const what = damaged.has(digest) ? 'damaged' : !isThere ? 'missing' : isRight ? undefined : 'link'
  if (what === undefined) return
  // Removed while we looked: that is no damage.
  if (what === 'missing' && (await driver.stat(link)) === undefined) return
  if (options.isRepair) await forget(repository, digest)
  await report({ ...content, what })
}
