// The front door of the store: what this machine keeps, as content, on distribution's layout over any storage driver.
// It asks nobody else, deletes no blob, and verifies no blob that it is given; manifests it verifies when it reads them.
import type {
  BlobDescription,
  BlobHandle,
  Catalog,
  ContentSink,
  ContentSource,
  Manifest,
  ManifestDescription,
  Referrers,
} from '../content.ts'
import type { Clock } from '../lib/clock.ts'
import type { Descriptor } from '../oci/descriptor.ts'
import type { Digest } from '../oci/digest.ts'
import { isDigestReference, type Reference, type RepositoryName, type Tag } from '../oci/names.ts'
import { type Page, type PageOf, pageOf } from '../oci/pagination.ts'
import type { Log } from '../telemetry/log.ts'
import { Blobs } from './blobs.ts'
import { listRepositories } from './catalog.ts'
import type { DescriptorCache } from './descriptors/cache.ts'
import type { StorageDriver } from './driver.ts'
import { Manifests } from './manifests.ts'
import { findTag, listTags, putTag, removeTag, tagChangedAt } from './tags.ts'

export interface LocalContentOptions {
  readonly driver: StorageDriver
  readonly log: Log
  readonly clock: Clock
  readonly descriptorCache?: DescriptorCache
  /** Longest page of tags; 1000 when not given, as in distribution. */
  readonly maxTags?: number
  /** Longest page of repositories; 1000 when not given, as in distribution. */
  readonly maxCatalogEntries?: number
  /** How long a manifest in memory is served without a look at the store, in milliseconds; 1000 when not given. */
  readonly believeMs?: number
  /** Memory for manifests; 64 MiB when not given. */
  readonly manifestCacheBytes?: number
}

/** Errors of the driver are thrown with what was attempted, and themselves as the cause. */
export class LocalContent implements ContentSource, ContentSink, Catalog {
  readonly #driver: StorageDriver
  readonly #blobs: Blobs
  readonly #manifests: Manifests
  readonly #maxTags: number
  readonly #maxCatalogEntries: number

  constructor(options: LocalContentOptions) {
    const { driver, log, clock } = options
    this.#driver = driver
    this.#blobs = new Blobs(driver, options.descriptorCache)
    this.#manifests = new Manifests({
      driver,
      log,
      clock,
      believeMs: options.believeMs ?? 1000,
      cacheBytes: options.manifestCacheBytes ?? 64 * 1024 * 1024,
    })
    this.#maxTags = options.maxTags ?? 1000
    this.#maxCatalogEntries = options.maxCatalogEntries ?? 1000
  }

  describeManifest(repository: RepositoryName, reference: Reference): Promise<ManifestDescription | undefined> {
    return this.findManifest(repository, reference)
  }

  findManifest(repository: RepositoryName, reference: Reference): Promise<Manifest | undefined> {
    return isDigestReference(reference) ? this.#manifests.find(repository, reference) : this.#findTagged(repository, reference)
  }

  describeBlob(repository: RepositoryName, digest: Digest): Promise<BlobDescription | undefined> {
    return this.#blobs.find(repository, digest)
  }

  findBlob(repository: RepositoryName, digest: Digest): Promise<BlobHandle | undefined> {
    return this.#blobs.find(repository, digest)
  }

  async listTags(repository: RepositoryName, page: Page): Promise<PageOf<Tag> | undefined> {
    const tags = await listTags(this.#driver, repository)
    return tags === undefined ? undefined : pageOf(tags, page, this.#maxTags)
  }

  async listReferrers(): Promise<Referrers | undefined> {
    return undefined
  }

  listRepositories(page: Page, signal: AbortSignal): Promise<PageOf<RepositoryName>> {
    return listRepositories(this.#driver, page, this.#maxCatalogEntries, signal)
  }

  /** A type that the bytes do not tell themselves is kept, too. */
  putManifest(repository: RepositoryName, manifest: { readonly descriptor: Descriptor; readonly bytes: Uint8Array }): Promise<void> {
    return this.#manifests.put(repository, manifest)
  }

  putTag(repository: RepositoryName, tag: Tag, digest: Digest): Promise<void> {
    return putTag(this.#driver, repository, tag, digest)
  }

  /** Throws what the driver throws, with what was attempted. */
  tagChangedAt(repository: RepositoryName, tag: Tag): Promise<number | undefined> {
    return tagChangedAt(this.#driver, repository, tag)
  }

  removeTag(repository: RepositoryName, tag: Tag): Promise<boolean> {
    return removeTag(this.#driver, repository, tag)
  }

  statBlob(digest: Digest): Promise<{ readonly size: number } | undefined> {
    return this.#blobs.stat(digest)
  }

  /** Throws RegistryError BLOB_UNKNOWN when no repository has the blob. */
  linkBlob(repository: RepositoryName, digest: Digest): Promise<void> {
    return this.#blobs.link(repository, digest)
  }

  adoptBlob(repository: RepositoryName, digest: Digest, file: string): Promise<void> {
    return this.#blobs.adopt(repository, digest, file)
  }

  async #findTagged(repository: RepositoryName, tag: Tag): Promise<Manifest | undefined> {
    const digest = await findTag(this.#driver, repository, tag)
    return digest === undefined ? undefined : this.#manifests.find(repository, digest)
  }
}
