// Manifests. Read from disk they are verified, then kept in memory: answering one by digest is the most frequent question.
import { LRUCache } from 'lru-cache'
import type { Manifest } from '../content.ts'
import type { Clock } from '../lib/clock.ts'
import type { Descriptor } from '../oci/descriptor.ts'
import { algorithmOf, type Digest, digestOf } from '../oci/digest.ts'
import { isRegistryError } from '../oci/errors.ts'
import { maxManifestBytes, parseManifest } from '../oci/manifest.ts'
import type { RepositoryName } from '../oci/names.ts'
import type { Log } from '../telemetry/log.ts'
import { fromStore } from './blobs.ts'
import type { StorageDriver } from './driver.ts'
import { blobDataPath, mediaTypePath, revisionFolder, revisionLinkPath } from './layout.ts'
import { digestIn, isLinkInPlace, readLink } from './links.ts'
import { isRescued, renew, renewedText, renewInPlace, renewLink } from './renewal.ts'
import { pushTrouble, trouble } from './trouble.ts'

export interface ManifestsOptions {
  readonly driver: StorageDriver
  readonly log: Log
  readonly clock: Clock
  /** How long a manifest in memory is believed to be still part of its repository, in milliseconds. */
  readonly believeMs: number
  readonly cacheBytes: number
}

interface Kept {
  readonly manifest: Manifest
  /** The manifest as an answer, made once. */
  readonly answer: Promise<Manifest>
  /** When the revision link was last seen. */
  confirmedAt: number
}

/** What an entry takes besides the manifest's bytes, roughly. */
const entryOverheadBytes = 1024
const mediaTypePattern = /^[\w.+-]+\/[\w.+-]+$/

export class Manifests {
  readonly #driver: StorageDriver
  readonly #log: Log
  readonly #clock: Clock
  readonly #believeMs: number
  readonly #kept: LRUCache<string, Kept>
  /** Running looks at the store. One that a put has overtaken is no longer in here, and must not be remembered. */
  readonly #looking = new Map<string, Promise<Manifest | undefined>>()

  constructor(options: ManifestsOptions) {
    this.#driver = options.driver
    this.#log = options.log
    this.#clock = options.clock
    this.#believeMs = options.believeMs
    this.#kept = new LRUCache({
      maxSize: options.cacheBytes,
      sizeCalculation: ({ manifest }) => manifest.bytes.length + entryOverheadBytes,
    })
  }

  find(repository: RepositoryName, digest: Digest): Promise<Manifest | undefined> {
    const key = `${repository}@${digest}`
    return this.#believed(key)?.answer ?? this.#looking.get(key) ?? this.#look(key, repository, digest)
  }

  /** What is in memory and believed; `undefined` says nothing. */
  recall(repository: RepositoryName, digest: Digest): Manifest | undefined {
    return this.#believed(`${repository}@${digest}`)?.manifest
  }

  async put(
    repository: RepositoryName,
    { descriptor, bytes }: { readonly descriptor: Descriptor; readonly bytes: Uint8Array },
  ): Promise<void> {
    const { digest } = descriptor
    const link = revisionLinkPath(repository, digest)
    const askedAt = this.#clock.now()
    try {
      await this.#putBytes(digest, bytes)
      await this.#putMediaType(descriptor, bytes)
      await renewLink(this.#driver, link, digest, this.#clock.now())
    } catch (error) {
      throw pushTrouble(`keeping manifest ${digest} of ${repository}`, error)
    }
    const key = `${repository}@${digest}`
    this.#looking.delete(key)
    this.#remember(key, manifestOf(digest, descriptor.mediaType, new Uint8Array(bytes)), askedAt)
  }

  /** Whether it is part of the repository, for those who rely on it before they push: it is safe from the sweep, and the look is fresh. */
  async hasForPush(repository: RepositoryName, digest: Digest): Promise<boolean> {
    try {
      const link = revisionLinkPath(repository, digest)
      if ((await renew(this.#driver, blobDataPath(digest), this.#clock.now())) === undefined) return false
      return digestIn(await renewedText(this.#driver, link, this.#clock.now())) === digest
    } catch (error) {
      throw trouble(`looking for manifest ${digest} of ${repository}`, error)
    }
  }

  /** Only its place in the repository; false: it had none. */
  async remove(repository: RepositoryName, digest: Digest): Promise<boolean> {
    try {
      const wasLinked = (await readLink(this.#driver, revisionLinkPath(repository, digest))) === digest
      await this.#driver.remove(revisionLinkPath(repository, digest))
      await this.#driver.removeEmptyFolder(revisionFolder(repository, digest))
      return wasLinked
    } catch (error) {
      throw trouble(`removing manifest ${digest} of ${repository}`, error)
    } finally {
      this.forget(repository, digest)
    }
  }

  /** For those who took it away themselves. */
  forget(repository: RepositoryName, digest: Digest): void {
    const key = `${repository}@${digest}`
    this.#looking.delete(key)
    this.#kept.delete(key)
  }

  #believed(key: string): Kept | undefined {
    const kept = this.#kept.get(key)
    if (kept === undefined) return undefined
    const ageMs = this.#clock.now() - kept.confirmedAt
    return ageMs >= 0 && ageMs < this.#believeMs ? kept : undefined
  }

  #look(key: string, repository: RepositoryName, digest: Digest): Promise<Manifest | undefined> {
    const askedAt = this.#clock.now()
    const looking = this.#confirmOrRead(this.#kept.peek(key)?.manifest, repository, digest)
      .then((manifest) => {
        if (this.#looking.get(key) === looking) this.#remember(key, manifest, askedAt)
        return manifest
      })
      .finally(() => {
        if (this.#looking.get(key) === looking) this.#looking.delete(key)
      })
    this.#looking.set(key, looking)
    return looking
  }

  #remember(key: string, manifest: Manifest | undefined, confirmedAt: number): void {
    const kept = this.#kept.peek(key)
    if (manifest === undefined) this.#kept.delete(key)
    else if (kept?.manifest === manifest) kept.confirmedAt = confirmedAt
    else this.#kept.set(key, { manifest, answer: Promise.resolve(manifest), confirmedAt })
  }

  async #confirmOrRead(kept: Manifest | undefined, repository: RepositoryName, digest: Digest): Promise<Manifest | undefined> {
    try {
      const link = revisionLinkPath(repository, digest)
      if (kept !== undefined && (await isLinkInPlace(this.#driver, link, digest))) return kept
      const isLinked = async () => (await readLink(this.#driver, link)) === digest
      // What a sweep had only taken aside is found the second time.
      if (!(await isLinked()) && !((await isRescued(this.#driver, link)) && (await isLinked()))) return undefined
      return await this.#read(repository, digest)
    } catch (error) {
      throw trouble(`reading manifest ${digest} of ${repository}`, error)
    }
  }

  async #read(repository: RepositoryName, digest: Digest): Promise<Manifest | undefined> {
    const path = blobDataPath(digest)
    const entry = (await this.#driver.stat(path)) ?? ((await isRescued(this.#driver, path)) ? await this.#driver.stat(path) : undefined)
    if (entry?.kind !== 'file') return undefined
    if (entry.size > maxManifestBytes) return this.#unusable(repository, digest, 'larger than a manifest may be')
    const bytes = await this.#driver.read(path)
    if (bytes === undefined) return undefined
    if (digestOf(bytes, algorithmOf(digest)) !== digest) return this.#unusable(repository, digest, 'its bytes are not those of its digest')
    const mediaType = (await this.#declaredType(digest)) ?? typeInside(bytes)
    if (mediaType === undefined) return this.#unusable(repository, digest, 'of no known type')
    return manifestOf(digest, mediaType, bytes)
  }

  #unusable(repository: RepositoryName, digest: Digest, reason: string): undefined {
    this.#log.warn({ repository, digest, reason }, 'a stored manifest is damaged and counts as absent')
    return undefined
  }

  async #putBytes(digest: Digest, bytes: Uint8Array): Promise<void> {
    const path = blobDataPath(digest)
    const renewed = await renewInPlace(this.#driver, path, this.#clock.now(), bytes.length)
    const kept = renewed === undefined ? undefined : (renewed.bytes ?? (await this.#readOfSize(path, bytes.length)))
    if (kept === undefined || Buffer.compare(kept, bytes) !== 0) await this.#driver.write(path, bytes)
  }

  /** `undefined`: there is none, or one of another size, which may be any. */
  async #readOfSize(path: string, size: number): Promise<Uint8Array | undefined> {
    return (await this.#driver.stat(path))?.size === size ? this.#driver.read(path) : undefined
  }

  async #declaredType(digest: Digest): Promise<string | undefined> {
    const stored = await this.#driver.read(mediaTypePath(digest))
    const text = stored === undefined ? '' : new TextDecoder('latin1').decode(stored)
    return mediaTypePattern.test(text) ? text : undefined
  }

  /** distribution's layout has no place for the type, and tells it from the bytes; so only a differing one is noted. */
  async #putMediaType({ digest, mediaType }: Descriptor, bytes: Uint8Array): Promise<void> {
    const noted = await this.#declaredType(digest)
    const wanted = typeInside(bytes) === mediaType ? undefined : mediaType
    if (noted === wanted) return
    if (wanted === undefined) await this.#driver.remove(mediaTypePath(digest))
    else await this.#driver.write(mediaTypePath(digest), Buffer.from(wanted))
  }
}

function manifestOf(digest: Digest, mediaType: string, bytes: Uint8Array): Manifest {
  return Object.freeze({ descriptor: Object.freeze({ mediaType, digest, size: bytes.length }), provenance: fromStore, bytes })
}

function typeInside(bytes: Uint8Array): string | undefined {
  try {
    return parseManifest(bytes, undefined).mediaType
  } catch (error) {
    if (isRegistryError(error, 'MANIFEST_INVALID')) return undefined
    throw error
  }
}
