// Garbage collection, mark and sweep. It may run while anybody pushes (see renewal.ts), also
// when the server is another process; its lines are those of distribution's `garbage-collect`.
import type { Clock } from '../lib/clock.ts'
import { type Digest, digestAlgorithms, isDigest } from '../oci/digest.ts'
import { isTag, type RepositoryName } from '../oci/names.ts'
import { repositoryFolders } from './catalog.ts'
import type { StorageDriver } from './driver.ts'
import {
  blobDataPath,
  blobsFolder,
  indexLinkPath,
  layerLinkPath,
  layersFolderOf,
  referrerPath,
  revisionLinkPath,
  revisionsFolder,
  tagIndexFolder,
  tagsFolder,
} from './layout.ts'
import { condemn, takeAllBack } from './renewal.ts'
import {
  factsOf,
  isYoung,
  linkedDigests,
  type ManifestFacts,
  type Manifests,
  markRepository,
  type MarkParts,
  taggedDigests,
} from './sweep-marks.ts'
import { deleteBlob } from './sweep-blob.ts'
import { trouble } from './trouble.ts'

export interface SweepOptions {
  readonly isDryRun: boolean
  /** Manifests without a tag go, too, unless a kept index lists them or their subject is kept. */
  readonly deleteUntagged: boolean
  /** Milliseconds for which what was written or relied on stays in any case: longer than a client waits within one push. */
  readonly graceMs: number
}

export interface SweepTotals {
  readonly marked: number
  readonly eligibleBlobs: number
  readonly eligibleManifests: number
  /** Fewer than eligible where somebody came to need one. */
  readonly deletedBlobs: number
  readonly deletedBytes: number
}

export interface SweepParts {
  readonly driver: StorageDriver
  readonly clock: Clock
  readonly options: SweepOptions
  /** Gets each line, without its end. */
  readonly report: (line: string) => void
  /** Told of each manifest and each blob that a repository has no more. */
  readonly forget: (repository: RepositoryName, digest: Digest) => Promise<void>
}

type InRepository = readonly [repository: RepositoryName, digest: Digest]

/** What the clock of the disk may be behind: its ticks, and the rounding of times. */
const slackMs = 1000

export async function sweep(parts: SweepParts, signal: AbortSignal): Promise<SweepTotals> {
  try {
    return await new Sweep(parts, signal).run()
  } catch (error) {
    signal.throwIfAborted()
    throw trouble('collecting garbage', error)
  }
}

class Sweep {
  readonly #parts: SweepParts
  readonly #marking: MarkParts
  readonly #signal: AbortSignal
  readonly #marked = new Set<Digest>()
  readonly #removableManifests = new Map<RepositoryName, Manifests>()
  #removableCount = 0
  readonly #removableLinks: InRepository[] = []

  constructor(parts: SweepParts, signal: AbortSignal) {
    const { driver, clock, options } = parts
    const { graceMs, deleteUntagged } = options
    this.#parts = parts
    this.#signal = signal
    this.#marking = { driver, graceMs, deleteUntagged, youngSince: clock.now() - graceMs - slackMs - (driver.renewalSlackMs ?? 0) }
  }

  async run(): Promise<SweepTotals> {
    const { report, options } = this.#parts
    const isReal = !options.isDryRun
    if (isReal) await takeAllBack(this.#parts.driver)
    await this.#mark()
    if (isReal) for (const [repository, manifests] of this.#removableManifests) await this.#removeManifests(repository, manifests)
    const linked = await this.#markLatecomers()
    const blobs = await this.#eligibleBlobs()
    report('')
    report(`${this.#marked.size} blobs marked, ${blobs.length} blobs and ${this.#removableCount} manifests eligible for deletion`)
    const links = this.#removableLinks.filter(([repository, digest]) => !linked.has(`${repository}@${digest}`))
    if (isReal) for (const [repository, digest] of links) await this.#removeLink(repository, digest)
    const deleted = { count: 0, bytes: 0 }
    for (const { digest, size } of blobs) {
      report(`blob eligible for deletion: ${digest}`)
      if (!isReal || !(await this.#deleteBlob(digest))) continue
      deleted.count += 1
      deleted.bytes += size
    }
    for (const [repository, digest] of links) report(`${repository}: layer link eligible for deletion: ${digest}`)
    return {
      marked: this.#marked.size,
      eligibleBlobs: blobs.length,
      eligibleManifests: this.#removableCount,
      deletedBlobs: deleted.count,
      deletedBytes: deleted.bytes,
    }
  }

  async #mark(): Promise<void> {
    const { report } = this.#parts
    for await (const repository of this.#repositories()) {
      report(repository)
      const marks = await markRepository(this.#marking, repository)
      for (const digest of marks.removable.keys()) report(`manifest eligible for deletion: ${digest}`)
      for (const [digest, facts] of marks.kept) this.#markManifest(repository, digest, facts)
      for (const digest of marks.youngBlobs) this.#marked.add(digest)
      if (marks.removable.size > 0) this.#removableManifests.set(repository, marks.removable)
      this.#removableCount += marks.removable.size
      for (const digest of marks.removableLinks) this.#removableLinks.push([repository, digest])
    }
  }

  #markManifest(repository: RepositoryName, digest: Digest, facts: ManifestFacts | undefined): void {
    const { report } = this.#parts
    // The blank at the end is distribution's.
    report(`${repository}: marking manifest ${digest} `)
    this.#marked.add(digest)
    for (const reference of facts?.references ?? []) {
      report(`${repository}: marking blob ${reference}`)
      this.#marked.add(reference)
    }
  }

  /**
   * What came while the marking went on, also from a program that renews nothing. Answers the removable links that are needed
   * by now, as `repository@digest`.
   */
  async #markLatecomers(): Promise<Set<string>> {
    const { driver } = this.#parts
    const needed = new Set<string>()
    for await (const repository of this.#repositories()) {
      for (const digest of await this.#changed((algorithm) => revisionsFolder(repository, algorithm))) {
        if (!(await isYoung(this.#marking, revisionLinkPath(repository, digest), digest))) continue
        this.#marked.add(digest)
        for (const reference of (await factsOf(driver, digest))?.references ?? []) {
          this.#marked.add(reference)
          needed.add(`${repository}@${reference}`)
        }
      }
      for (const digest of await this.#changed((algorithm) => layersFolderOf(repository, algorithm))) {
        if (this.#marked.has(digest) || !(await isYoung(this.#marking, layerLinkPath(repository, digest), digest))) continue
        this.#marked.add(digest)
        needed.add(`${repository}@${digest}`)
      }
    }
    return needed
  }

  async #changed(folderOf: (algorithm: (typeof digestAlgorithms)[number]) => string): Promise<Digest[]> {
    const { driver } = this.#parts
    const folders = await Promise.all(digestAlgorithms.map((algorithm) => driver.stat(folderOf(algorithm))))
    const isChanged = folders.some((folder) => folder !== undefined && folder.modifiedAt >= this.#marking.youngSince)
    return isChanged ? linkedDigests(driver, folderOf) : []
  }

  async #eligibleBlobs(): Promise<{ readonly digest: Digest; readonly size: number }[]> {
    const { driver } = this.#parts
    const eligible: { digest: Digest; size: number }[] = []
    for (const algorithm of digestAlgorithms) {
      for (const prefix of ((await driver.list(`${blobsFolder}/${algorithm}`)) ?? []).sort()) {
        this.#signal.throwIfAborted()
        for (const hex of ((await driver.list(`${blobsFolder}/${algorithm}/${prefix}`)) ?? []).sort()) {
          const digest = `${algorithm}:${hex}`
          if (!isDigest(digest) || this.#marked.has(digest)) continue
          const entry = await driver.stat(blobDataPath(digest))
          if (entry?.kind === 'file' && entry.modifiedAt < this.#marking.youngSince) eligible.push({ digest, size: entry.size })
        }
      }
    }
    return eligible
  }

  async #removeManifests(repository: RepositoryName, manifests: Manifests): Promise<void> {
    const tagged = await taggedDigests(this.#parts.driver, repository)
    const removed = new Set<Digest>()
    for (const [digest, facts] of manifests) {
      this.#signal.throwIfAborted()
      if (tagged.has(digest) || !(await this.#removeManifest(repository, digest, facts))) this.#markManifest(repository, digest, facts)
      else removed.add(digest)
    }
    if (removed.size > 0) await this.#removeFromTagIndexes(repository, removed)
  }

  /** False: somebody needs it by now. */
  async #removeManifest(repository: RepositoryName, digest: Digest, facts: ManifestFacts | undefined): Promise<boolean> {
    const { driver } = this.#parts
    const link = revisionLinkPath(repository, digest)
    if ((await isYoung(this.#marking, link, digest)) || !(await condemn(driver, link, this.#marking.youngSince))) return false
    await driver.removeEmptyFolder(parentOf(link))
    if (facts?.subject !== undefined) await driver.remove(referrerPath(repository, facts.subject, digest))
    await this.#parts.forget(repository, digest)
    return true
  }

  async #removeFromTagIndexes(repository: RepositoryName, removed: ReadonlySet<Digest>): Promise<void> {
    const { driver } = this.#parts
    for (const tag of ((await driver.list(tagsFolder(repository))) ?? []).filter(isTag)) {
      for (const digest of await linkedDigests(driver, (algorithm) => tagIndexFolder(repository, tag, algorithm))) {
        if (!removed.has(digest)) continue
        const link = indexLinkPath(repository, tag, digest)
        await driver.remove(link)
        await driver.removeEmptyFolder(parentOf(link))
      }
    }
  }

  async #removeLink(repository: RepositoryName, digest: Digest): Promise<void> {
    const { driver } = this.#parts
    const link = layerLinkPath(repository, digest)
    if ((await isYoung(this.#marking, link, digest)) || !(await condemn(driver, link, this.#marking.youngSince))) {
      this.#marked.add(digest)
      return
    }
    await driver.removeEmptyFolder(parentOf(link))
    await this.#parts.forget(repository, digest)
  }

  /** False: somebody needs it by now. */
  async #deleteBlob(digest: Digest): Promise<boolean> {
    this.#signal.throwIfAborted()
    if (this.#marked.has(digest)) return false
    return (await deleteBlob(this.#parts.driver, digest, { youngSince: this.#marking.youngSince })) !== undefined
  }

  async *#repositories(): AsyncGenerator<RepositoryName, void, void> {
    const list = (path: string) => this.#parts.driver.list(path)
    for await (const [repository] of repositoryFolders(list, this.#signal)) yield repository
  }
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/'))
}
