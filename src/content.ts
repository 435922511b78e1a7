// The seam of the whole program. Read this first.
// The local store, a registry elsewhere and the pull-through cache answer the same questions about content; HTTP asks
// them and never learns which of them it talks to. `describe…` is what HEAD needs and brings nothing in, `find…` is GET.
import type { ByteRange } from './oci/range.ts'
import type { Descriptor } from './oci/descriptor.ts'
import type { Digest } from './oci/digest.ts'
import type { Page, PageOf } from './oci/pagination.ts'
import type { Reference, RepositoryName, Tag } from './oci/names.ts'

/** How an answer came about; clients see it as `X-Cache`. */
export type CacheVerdict = 'hit' | 'miss' | 'stale' | 'revalidated' | 'filling'

export interface Provenance {
  readonly verdict: CacheVerdict
  /** Seconds since upstream last confirmed it; only with `stale`. */
  readonly ageSeconds?: number
  /** Why it is stale, in words that a client may see. */
  readonly cause?: string
}

export interface ManifestDescription {
  /** `mediaType` is the type that came with the bytes, to be served as it is. */
  readonly descriptor: Descriptor
  readonly provenance: Provenance
}

export interface Manifest extends ManifestDescription {
  /** Exactly as they came; `descriptor.digest` is their digest. Not to be changed. */
  readonly bytes: Uint8Array
}

export interface BlobDescription {
  readonly descriptor: Descriptor
  readonly provenance: Provenance
  /** Where a client may have the bytes from, for some minutes and with this method, without us in between. */
  redirect?(method: 'GET' | 'HEAD'): string | Promise<string>
}

/** A blob that is here, or on its way in; nothing is opened until `open`. */
export interface BlobHandle extends BlobDescription {
  /** Where the whole verified blob lies in a file of this machine, for those who can send files faster than chunks. */
  readonly file?: string
  /**
   * The bytes of the range, or all. A chunk is valid only until the next one is asked for: its memory is used again.
   * Throws in the middle when the content can't be delivered whole and right; then the last byte was never given out.
   */
  open(range: ByteRange | undefined, signal: AbortSignal): AsyncIterable<Uint8Array>
}

/** An image index of referrers (distribution-spec, "Listing Referrers"). */
export interface Referrers {
  readonly bytes: Uint8Array
  /** Value of OCI-Filters-Applied, where the list was filtered already. */
  readonly filtersApplied: string | undefined
  readonly provenance: Provenance
}

/** The questions that every registry can answer. `undefined`: there is none. Trouble on the way is thrown, never `undefined`. */
export interface ContentQuestions {
  describeManifest(repository: RepositoryName, reference: Reference, signal: AbortSignal): Promise<ManifestDescription | undefined>
  findManifest(repository: RepositoryName, reference: Reference, signal: AbortSignal): Promise<Manifest | undefined>
  describeBlob(repository: RepositoryName, digest: Digest, signal: AbortSignal): Promise<BlobDescription | undefined>
  /** Sorted by byte order. `undefined`: the repository is not known. */
  listTags(repository: RepositoryName, page: Page, signal: AbortSignal): Promise<PageOf<Tag> | undefined>
  /** `undefined`: this registry has no referrers API, or knows nothing of the subject. */
  listReferrers(
    repository: RepositoryName,
    subject: Digest,
    artifactType: string | undefined,
    signal: AbortSignal,
  ): Promise<Referrers | undefined>
}

/** What HTTP serves from. */
export interface ContentSource extends ContentQuestions {
  findBlob(repository: RepositoryName, digest: Digest, signal: AbortSignal): Promise<BlobHandle | undefined>
  /**
   * An optional power: what `findManifest` would answer now, where that is in memory and nobody has to be asked. `undefined` says
   * nothing: ask `findManifest`. The same object as long as the answer is the same. Never throws.
   */
  recallManifest?(repository: RepositoryName, reference: Reference): Manifest | undefined
}

/** What is known of a registry elsewhere without asking it. */
export interface Standing {
  /** For logs and metrics. */
  readonly name: string
  /** Milliseconds since 1970: until then it wants to be left alone by whatever can wait. In the past: it may be asked. */
  readonly pausedUntil: number
  /** Pulls that it still grants; `undefined`: unlimited, or not known. */
  readonly pullsLeft: number | undefined
}

/** What content is transferred from: a registry elsewhere. Its methods throw UpstreamFailure. */
export interface TransferSource extends ContentQuestions {
  standing(repository: RepositoryName): Standing
  /**
   * Opens one transfer of a blob's bytes from `start` on. `undefined`: upstream has no such blob.
   * `signal` ends the transfer, too, not only the wait for its beginning.
   */
  openBlob(
    repository: RepositoryName,
    digest: Digest,
    range: TransferRange | undefined,
    signal: AbortSignal,
  ): Promise<BlobTransfer | undefined>
}

export interface TransferRange {
  readonly start: number
  /** Inclusive; `undefined`: to the end. */
  readonly end?: number
}

export interface BlobTransfer {
  /** Bytes of the whole blob; `undefined` when upstream does not say. */
  readonly size: number | undefined
  /** Offset of the first byte of `body`: 0 where upstream ignored the range. */
  readonly start: number
  /** To be read once. Reading to the end, leaving early (`return()`) and `close` free the connection. Throws UpstreamFailure when it breaks. */
  readonly body: AsyncIterable<Uint8Array>
  /** Frees the connection, also when nobody began to read. May be called at any time, more than once. */
  close(): void
}

/** What the pull-through cache needs of the store beyond reading it. */
export interface ContentSink {
  /** Keeps the bytes and makes them part of the repository. The caller has verified them. */
  putManifest(repository: RepositoryName, manifest: { readonly descriptor: Descriptor; readonly bytes: Uint8Array }): Promise<void>
  /** Points the tag at a manifest that the repository has. */
  putTag(repository: RepositoryName, tag: Tag, digest: Digest): Promise<void>
  removeTag(repository: RepositoryName, tag: Tag): Promise<boolean>
  /** When the tag was last moved here, in milliseconds since 1970. */
  tagChangedAt(repository: RepositoryName, tag: Tag): Promise<number | undefined>
  /** The blob's bytes, if they are kept for any repository at all. */
  statBlob(digest: Digest): Promise<{ readonly size: number } | undefined>
  /** Makes a blob that is kept part of the repository. */
  linkBlob(repository: RepositoryName, digest: Digest): Promise<void>
  /** Takes over a complete, verified file of this machine as the blob's bytes, and links it. The file is gone afterwards. */
  adoptBlob(repository: RepositoryName, digest: Digest, file: string): Promise<void>
  /** Somebody could not read it: forgets what is remembered, and puts bytes aside that are not those of the digest. Never rejects. */
  doubtBlob(repository: RepositoryName, digest: Digest): Promise<void>
}

/** An optional power: Docker Hub has no catalog. */
export interface Catalog {
  listRepositories(page: Page, signal: AbortSignal): Promise<PageOf<RepositoryName>>
}

/**
 * Trouble with a registry elsewhere. It never becomes "not found".
 * unreachable: no connection (refused, DNS, TLS, reset); timeout: it did not answer in time; unavailable: it answered 5xx;
 * rate-limited: 429 of any kind; denied: 401 or 403; login-refused: our own credentials are wrong; broken: it answered what can't be understood or is not what was asked for.
 */
export type UpstreamFailureKind = 'unreachable' | 'timeout' | 'unavailable' | 'rate-limited' | 'denied' | 'login-refused' | 'broken'

export interface UpstreamFailureOptions {
  /** Upstream's HTTP status, where there was one. */
  readonly status?: number | undefined
  readonly retryAfterSeconds?: number | undefined
  readonly cause?: unknown
}

export class UpstreamFailure extends Error {
  readonly kind: UpstreamFailureKind
  readonly status: number | undefined
  readonly retryAfterSeconds: number | undefined

  /** `message` is for the log (it may name hosts); clients get words made from `kind`. */
  constructor(kind: UpstreamFailureKind, message: string, options: UpstreamFailureOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'UpstreamFailure'
    this.kind = kind
    this.status = options.status
    this.retryAfterSeconds = options.retryAfterSeconds
  }
}
