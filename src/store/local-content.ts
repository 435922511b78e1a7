// The front door of the store: what this machine keeps, as content, on distribution's layout over any storage driver.
// It asks nobody else, and deletes a blob only in `collectGarbage` and in an eviction. What is pushed is verified; what the cache hands over was
// verified by the cache; manifests are verified when they are read, too.
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
import type { Leases } from '../cluster/leases.ts'
import type {
  KeptManifest,
  PushedManifest,
  StoreChanges,
  StoredRepository,
  UploadChunk,
  UploadState,
  WritableContent,
} from '../content-sink.ts'
import type { Clock } from '../lib/clock.ts'
import type { Descriptor } from '../oci/descriptor.ts'
import type { Digest, DigestAlgorithm } from '../oci/digest.ts'
import { isDigestReference, type Reference, type RepositoryName, type Tag } from '../oci/names.ts'
import { type Page, type PageOf, pageOf } from '../oci/pagination.ts'
import type { Log } from '../telemetry/log.ts'
import { Blobs } from './blobs.ts'
import { CatalogPages } from './catalog-pages.ts'
import type { DescriptorCache } from './descriptors/cache.ts'
import type { StorageDriver } from './driver.ts'
import { takeInventory } from './inventory.ts'
import { registryFolder } from './layout.ts'
import { Listings } from './listings.ts'
import { defaultManifestRules, type ManifestRules } from './manifest-references.ts'
import { Manifests } from './manifests.ts'
import { purgeUploads, type PurgeOptions, type PurgeTotals } from './purge-uploads.ts'
import { pushManifest, type PushTarget } from './push-manifest.ts'
import { putAsideIfDamaged } from './quarantine.ts'
import { ReferrersIndex, subjectOf } from './referrers.ts'
import { ReferrersTags } from './referrers-tags.ts'
import { scrub, type ScrubOptions, type ScrubParts, type ScrubTotals } from './scrub.ts'
import { openTargetSweep, type TargetSweep, type TargetSweepParts } from './sweep-targets.ts'
import { sweep, type SweepOptions, type SweepTotals } from './sweep.ts'
import { findTag, isKnown, listTags, putTag, removeTag, removeTagsOf, tagChangedAt } from './tags.ts'
import { Uploads } from './uploads.ts'

const hourMs = 60 * 60 * 1000

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
  /** What pushed manifests may point at; as distribution's defaults when not given. */
  readonly manifestRules?: ManifestRules
  /** Whether a mount that names no source may take the blob of any repository: whoever knows a digest can then have its bytes. */
  readonly mountsFromAnywhere?: boolean
  readonly changes?: StoreChanges | undefined
  /** Of all who may write to this store; `undefined`: this process is alone. */
  readonly leases?: Leases | undefined
}

/** Errors of the driver are thrown with what was attempted, and themselves as the cause. */
export class LocalContent implements ContentSource, ContentSink, WritableContent, Catalog {
  readonly #driver: StorageDriver
  readonly #blobs: Blobs
  readonly #manifests: Manifests
  readonly #uploads: Uploads
  readonly #referrers: ReferrersIndex
  readonly #referrersTags: ReferrersTags
  readonly #listings: Listings
  readonly #catalog: CatalogPages
  readonly #clock: Clock
  readonly #log: Log
  readonly #manifestRules: ManifestRules
  readonly #mountsFromAnywhere: boolean
  readonly #maxTags: number
  readonly #maxCatalogEntries: number
  readonly #changes: StoreChanges | undefined

  constructor(options: LocalContentOptions) {
    const { driver, log, clock } = options
    this.#changes = options.changes
    this.#driver = driver
    this.#clock = clock
    this.#log = log
    this.#blobs = new Blobs(driver, options.descriptorCache, clock)
    this.#manifests = new Manifests({
      driver,
      log,
      clock,
      believeMs: options.believeMs ?? 1000,
      cacheBytes: options.manifestCacheBytes ?? 64 * 1024 * 1024,
    })
    this.#uploads = new Uploads({ driver, blobs: this.#blobs, clock, log, leases: options.leases })
    this.#referrers = new ReferrersIndex({ driver, manifests: this.#manifests, clock })
    this.#referrersTags = new ReferrersTags(this.#referrers)
    this.#listings = new Listings(driver, clock)
    this.#catalog = new CatalogPages(this.#listings, clock, options.believeMs ?? 1000)
    this.#manifestRules = options.manifestRules ?? defaultManifestRules
    this.#mountsFromAnywhere = options.mountsFromAnywhere ?? false
    this.#maxTags = options.maxTags ?? 1000
    this.#maxCatalogEntries = options.maxCatalogEntries ?? 1000
  }

  describeManifest(repository: RepositoryName, reference: Reference): Promise<ManifestDescription | undefined> {
    return this.findManifest(repository, reference)
  }

  async findManifest(repository: RepositoryName, reference: Reference): Promise<Manifest | undefined> {
    if (!isDigestReference(reference)) return this.#findTagged(repository, reference)
    return (await this.#manifests.find(repository, reference)) ?? this.#referrersTags.made(repository, reference)
  }

  /** Tags are not kept in memory: another process may move one. */
  recallManifest(repository: RepositoryName, reference: Reference): Manifest | undefined {
    return isDigestReference(reference) ? this.#manifests.recall(repository, reference) : undefined
  }

  /** Who asks for a blob without its bytes may be about to push: what is found stays for a while, whatever the sweep does. */
  describeBlob(repository: RepositoryName, digest: Digest): Promise<BlobDescription | undefined> {
    return this.#blobs.findForPush(repository, digest)
  }

  findBlob(repository: RepositoryName, digest: Digest): Promise<BlobHandle | undefined> {
    return this.#blobs.find(repository, digest)
  }

  async listTags(repository: RepositoryName, page: Page): Promise<PageOf<Tag> | undefined> {
    const tags = await listTags(this.#driver, this.#listings, repository)
    return tags === undefined ? undefined : pageOf(tags, page, this.#maxTags)
  }

  /** For a repository that is known, an index, though it may be empty. */
  async listReferrers(repository: RepositoryName, subject: Digest, artifactType: string | undefined): Promise<Referrers | undefined> {
    const index = (await isKnown(this.#driver, repository)) ? await this.#referrers.list(repository, subject, artifactType) : undefined
    if (index === undefined) return undefined
    return { bytes: index.bytes, filtersApplied: artifactType === undefined ? undefined : 'artifactType', provenance: index.provenance }
  }

  listRepositories(page: Page, signal: AbortSignal): Promise<PageOf<RepositoryName>> {
    return this.#catalog.list(page, this.#maxCatalogEntries, signal)
  }

  /** A type that the bytes do not tell themselves is kept, too. */
  async putManifest(repository: RepositoryName, manifest: { readonly descriptor: Descriptor; readonly bytes: Uint8Array }): Promise<void> {
    await this.#manifests.put(repository, manifest)
    this.#catalog.forget()
    this.#changes?.keptManifest(repository, manifest.descriptor.digest, manifest.bytes)
  }

  async putTag(repository: RepositoryName, tag: Tag, digest: Digest): Promise<void> {
    await putTag(this.#driver, repository, { tag, digest, now: this.#clock.now() })
    this.#changes?.pointedTag(repository, tag, digest)
  }

  tagChangedAt(repository: RepositoryName, tag: Tag): Promise<number | undefined> {
    return tagChangedAt(this.#driver, repository, tag)
  }

  async removeTag(repository: RepositoryName, tag: Tag): Promise<boolean> {
    const wasThere = await removeTag(this.#driver, repository, tag)
    this.#changes?.removedTag(repository, tag)
    return wasThere
  }

  statBlob(digest: Digest): Promise<{ readonly size: number } | undefined> {
    return this.#blobs.stat(digest)
  }

  /** Throws RegistryError BLOB_UNKNOWN when no repository has the blob. */
  async linkBlob(repository: RepositoryName, digest: Digest): Promise<void> {
    await this.#blobs.link(repository, digest)
    this.#catalog.forget()
    this.#changes?.keptBlob(repository, digest)
  }

  async adoptBlob(repository: RepositoryName, digest: Digest, file: string): Promise<void> {
    await this.#blobs.adopt(repository, digest, file)
    this.#catalog.forget()
    this.#changes?.keptBlob(repository, digest)
  }

  async doubtBlob(repository: RepositoryName, digest: Digest): Promise<void> {
    await this.#forgetBytes(repository, digest)
    await putAsideIfDamaged({ driver: this.#driver, clock: this.#clock, log: this.#log }, digest)
  }

  beginUpload(repository: RepositoryName, algorithm?: DigestAlgorithm): Promise<UploadState> {
    return this.#uploads.begin(repository, algorithm)
  }

  findUpload(repository: RepositoryName, id: string, believed?: number): Promise<UploadState | undefined> {
    return this.#uploads.find(repository, id, believed)
  }

  /** Of two that append at once, the newer one goes on; the other one gets RANGE_INVALID. */
  appendToUpload(repository: RepositoryName, id: string, chunk: UploadChunk, signal: AbortSignal): Promise<UploadState> {
    return this.#uploads.append(repository, id, chunk, signal)
  }

  /** After DIGEST_INVALID the upload is still there. */
  async finishUpload(repository: RepositoryName, id: string, digest: Digest): Promise<Descriptor> {
    const descriptor = await this.#uploads.finish(repository, id, digest)
    this.#catalog.forget()
    this.#changes?.keptBlob(repository, digest)
    return descriptor
  }

  cancelUpload(repository: RepositoryName, id: string): Promise<boolean> {
    return this.#uploads.cancel(repository, id)
  }

  async mountBlob(repository: RepositoryName, digest: Digest, from: RepositoryName | undefined): Promise<Descriptor | undefined> {
    if (from === undefined && !this.#mountsFromAnywhere) return undefined
    const has = from === undefined ? await this.#blobs.renew(digest) : (await this.#blobs.findForPush(from, digest)) !== undefined
    if (!has) return undefined
    await this.linkBlob(repository, digest)
    return (await this.#blobs.findForPush(repository, digest))?.descriptor
  }

  async pushManifest(repository: RepositoryName, manifest: PushedManifest, target: PushTarget): Promise<KeptManifest> {
    const parts = { driver: this.#driver, clock: this.#clock, blobs: this.#blobs, manifests: this.#manifests, referrers: this.#referrers }
    const kept = await pushManifest({ ...parts, rules: this.#manifestRules }, repository, manifest, target)
    const { digest } = kept.descriptor
    this.#catalog.forget()
    this.#changes?.keptManifest(repository, digest, manifest.bytes)
    for (const tag of target.tags) this.#changes?.pointedTag(repository, tag, digest)
    return kept
  }

  async removeManifest(repository: RepositoryName, digest: Digest): Promise<readonly Tag[] | undefined> {
    const manifest = await this.#manifests.find(repository, digest)
    // Tags first: one that points at nothing would be listed for ever.
    const tags = await removeTagsOf(this.#driver, repository, digest)
    const wasThere = await this.#manifests.remove(repository, digest)
    await this.#referrers.remove(repository, digest, manifest === undefined ? undefined : subjectOf(manifest))
    this.#changes?.unlinked(repository, digest)
    return wasThere ? tags : undefined
  }

  async removeBlob(repository: RepositoryName, digest: Digest): Promise<boolean> {
    const wasThere = await this.#blobs.unlink(repository, digest)
    this.#changes?.unlinked(repository, digest)
    return wasThere
  }

  /** Safe while anybody pushes: what is younger than the grace period, or relied on since it began, stays. */
  async collectGarbage(options: SweepOptions, report: (line: string) => void, signal: AbortSignal): Promise<SweepTotals> {
    const totals = await sweep({ driver: this.#driver, clock: this.#clock, options, report, forget: this.#forget }, signal)
    // What a crash cut off is nobody's, either.
    const longestWriteMs = Math.max(options.graceMs, hourMs)
    if (!options.isDryRun) await this.#driver.removeLeftovers?.(registryFolder, this.#clock.now() - longestWriteMs, signal)
    return totals
  }

  /** For one run of eviction. `isOwn`: repositories that are pushed to, whose content stays; `undefined`: there are none. */
  openEviction(isOwn: TargetSweepParts['isOwn'], signal: AbortSignal): Promise<TargetSweep> {
    return openTargetSweep({ driver: this.#driver, now: () => this.#clock.now(), forget: this.#forget, isOwn }, signal)
  }

  inventory(signal: AbortSignal): AsyncGenerator<StoredRepository, void, void> {
    return takeInventory(this.#driver, signal)
  }

  scrub(options: ScrubOptions, report: ScrubParts['report'], signal: AbortSignal): Promise<ScrubTotals> {
    return scrub({ driver: this.#driver, clock: this.#clock, options, report, forget: this.#forgetBytes }, signal)
  }

  /** Removes uploads that nobody has gone on with for so long, in milliseconds. */
  purgeUploads(options: PurgeOptions, signal: AbortSignal): Promise<PurgeTotals> {
    return purgeUploads({ driver: this.#driver, clock: this.#clock }, options, signal)
  }

  readonly #forget = (repository: RepositoryName, digest: Digest): Promise<void> => {
    this.#changes?.unlinked(repository, digest)
    return this.#forgetBytes(repository, digest)
  }

  readonly #forgetBytes = (repository: RepositoryName, digest: Digest): Promise<void> => {
    this.#manifests.forget(repository, digest)
    return this.#blobs.forget(repository, digest)
  }

  async #findTagged(repository: RepositoryName, tag: Tag): Promise<Manifest | undefined> {
    const digest = await findTag(this.#driver, repository, tag)
    return digest === undefined ? this.#referrersTags.make(repository, tag) : this.#manifests.find(repository, digest)
  }
}
