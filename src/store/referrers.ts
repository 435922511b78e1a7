// Which manifests of a repository have a subject (distribution-spec, "Listing Referrers"). The manifests are the truth; what lies
// here is an index of them, kept where distribution does not look, and brought up to date whenever it is asked: distribution on
// the same folder keeps manifests without a word to us. An entry whose manifest is gone says nothing.
import { LRUCache } from 'lru-cache'
import type { Manifest } from '../content.ts'
import type { Clock } from '../lib/clock.ts'
import { SingleFlight } from '../lib/single-flight.ts'
import type { Descriptor } from '../oci/descriptor.ts'
import { type Digest, type DigestAlgorithm, digestAlgorithms, digestOf, isDigest } from '../oci/digest.ts'
import { isRegistryError } from '../oci/errors.ts'
import { parseManifest } from '../oci/manifest.ts'
import { mediaTypes } from '../oci/media-types.ts'
import type { RepositoryName } from '../oci/names.ts'
import { fromStore } from './blobs.ts'
import type { StorageDriver } from './driver.ts'
import { indexedMarkerPath, referrerPath, revisionLinkPath, revisionsFolder, subjectFolder, subjectsFolder } from './layout.ts'
import { ensureLink } from './links.ts'
import type { Manifests } from './manifests.ts'
import { trouble } from './trouble.ts'

export interface ReferrersParts {
  readonly driver: StorageDriver
  readonly manifests: Manifests
  readonly clock: Clock
}

/** What is known of one repository. */
interface Progress {
  /** Manifests that came before this moment (milliseconds since 1970) are looked through. */
  indexedAt: number
  /** What the marker in the store says. */
  markedAt: number
  /** Manifests that were looked through, as far as this process knows. */
  readonly seen: Set<Digest>
}

/** How far the clocks of this machine and of the disk may be apart. */
const slackMs = 10_000
const markEveryMs = 60_000
const maxSeen = 500_000
const batchSize = 16

export class ReferrersIndex {
  readonly #parts: ReferrersParts
  readonly #progress = new LRUCache<RepositoryName, Progress>({
    max: 10_000,
    maxSize: maxSeen,
    sizeCalculation: ({ seen }) => seen.size + 1,
  })
  readonly #running = new SingleFlight<RepositoryName, void>()

  constructor(parts: ReferrersParts) {
    this.#parts = parts
  }

  async add(repository: RepositoryName, subject: Digest, referrer: Digest): Promise<void> {
    await ensureLink(this.#parts.driver, referrerPath(repository, subject, referrer), referrer)
  }

  /** After the manifest itself. Without the entry nothing goes wrong that a later look would not mend. */
  async remove(repository: RepositoryName, referrer: Digest, subject: Digest | undefined): Promise<void> {
    this.#progress.get(repository)?.seen.delete(referrer)
    if (subject !== undefined) await this.#parts.driver.remove(referrerPath(repository, subject, referrer))
  }

  /** An image index of those that point at `subject`, sorted by digest; it may be empty. */
  async list(repository: RepositoryName, subject: Digest, artifactType: string | undefined): Promise<Manifest> {
    try {
      await this.#running.run(repository, () => this.#catchUp(repository))
      const names = ((await this.#parts.driver.list(subjectFolder(repository, subject))) ?? []).sort()
      const found: ReferrerDescriptor[] = []
      for (const batch of batchesOf(names.map(digestNamed).filter((digest) => digest !== undefined))) {
        const manifests = await Promise.all(batch.map((digest) => this.#parts.manifests.find(repository, digest)))
        found.push(...manifests.filter((manifest) => manifest !== undefined).map(referrerOf))
      }
      return indexOf(artifactType === undefined ? found : found.filter((descriptor) => descriptor.artifactType === artifactType))
    } catch (error) {
      throw trouble(`listing the referrers of ${subject} in ${repository}`, error)
    }
  }

  /** Digests that something pointed at, whose hex begins with `hex`. */
  async subjectsAt(repository: RepositoryName, algorithm: DigestAlgorithm, hex: string): Promise<readonly Digest[]> {
    try {
      await this.#running.run(repository, () => this.#catchUp(repository))
      const names = (await this.#parts.driver.list(subjectsFolder(repository, algorithm))) ?? []
      return names
        .filter((name) => name.startsWith(hex))
        .map((name) => `${algorithm}:${name}`)
        .filter(isDigest)
    } catch (error) {
      throw trouble(`looking for subjects in ${repository}`, error)
    }
  }

  /** Looks through the manifests that came since the last time; the first time, through all. */
  async #catchUp(repository: RepositoryName): Promise<void> {
    const { driver, clock } = this.#parts
    const progress = this.#progress.get(repository) ?? (await this.#readProgress(repository))
    const beganAt = clock.now()
    let isChanged = progress.indexedAt === 0
    for (const algorithm of digestAlgorithms) {
      const folder = await driver.stat(revisionsFolder(repository, algorithm))
      if (folder === undefined || folder.modifiedAt < progress.indexedAt - slackMs) continue
      isChanged = true
      await this.#lookThrough(repository, algorithm, progress)
    }
    if (!isChanged) return
    progress.indexedAt = beganAt
    this.#progress.set(repository, progress)
    if (Math.abs(beganAt - progress.markedAt) < markEveryMs) return
    await driver.write(indexedMarkerPath(repository), Buffer.from(String(beganAt)))
    progress.markedAt = beganAt
  }

  async #lookThrough(repository: RepositoryName, algorithm: DigestAlgorithm, progress: Progress): Promise<void> {
    const names = (await this.#parts.driver.list(revisionsFolder(repository, algorithm))) ?? []
    const unseen = names.map((hex) => `${algorithm}:${hex}`).filter((digest) => isDigest(digest) && !progress.seen.has(digest)) as Digest[]
    for (const batch of batchesOf(unseen)) {
      await Promise.all(batch.map((digest) => this.#lookAt(repository, digest, progress)))
    }
  }

  async #lookAt(repository: RepositoryName, digest: Digest, progress: Progress): Promise<void> {
    const link = await this.#parts.driver.stat(revisionLinkPath(repository, digest))
    if (link === undefined) return
    if (link.modifiedAt >= progress.indexedAt - slackMs) {
      const manifest = await this.#parts.manifests.find(repository, digest)
      if (manifest === undefined) return
      const subject = subjectOf(manifest)
      if (subject !== undefined) await this.add(repository, subject, digest)
    }
    progress.seen.add(digest)
  }

  async #readProgress(repository: RepositoryName): Promise<Progress> {
    const bytes = await this.#parts.driver.read(indexedMarkerPath(repository))
    const markedAt = bytes === undefined ? 0 : Number(Buffer.from(bytes).toString('latin1'))
    const at = Number.isFinite(markedAt) && markedAt <= this.#parts.clock.now() ? markedAt : 0
    return { indexedAt: at, markedAt: at, seen: new Set() }
  }
}

export function subjectOf({ bytes, descriptor }: Manifest): Digest | undefined {
  try {
    return parseManifest(bytes, descriptor.mediaType).subject?.digest
  } catch (error) {
    if (isRegistryError(error, 'MANIFEST_INVALID')) return undefined
    throw error
  }
}

interface ReferrerDescriptor extends Descriptor {
  readonly artifactType?: string
  readonly annotations?: Readonly<Record<string, string>>
}

/** distribution-spec: the artifactType is the manifest's, else the media type of its config; annotations are the manifest's. */
function referrerOf({ bytes, descriptor }: Manifest): ReferrerDescriptor {
  const { artifactType, config, annotations } = parseManifest(bytes, descriptor.mediaType)
  const type = artifactType === undefined || artifactType === '' ? config?.mediaType : artifactType
  return {
    ...descriptor,
    ...(type === undefined || type === '' ? {} : { artifactType: type }),
    ...(annotations === undefined ? {} : { annotations }),
  }
}

function indexOf(manifests: readonly ReferrerDescriptor[]): Manifest {
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests }))
  return { bytes, descriptor: { mediaType: mediaTypes.ociIndex, digest: digestOf(bytes), size: bytes.length }, provenance: fromStore }
}

/** `undefined` for what a crash left there. */
function digestNamed(name: string): Digest | undefined {
  const digest = name.replace('-', ':')
  return isDigest(digest) ? digest : undefined
}

function* batchesOf<T>(items: readonly T[]): Generator<readonly T[], void, void> {
  for (let next = 0; next < items.length; next += batchSize) yield items.slice(next, next + batchSize)
}
