// What a registry can be asked to keep and to drop: the writing half of the seam. Only our own store is one; what is mirrored is
// read-only. Every method throws RegistryError with the code that the client is to see.
import type { Descriptor } from './oci/descriptor.ts'
import type { Digest, DigestAlgorithm } from './oci/digest.ts'
import type { RepositoryName, Tag } from './oci/names.ts'

/** An upload in progress. It lives in the store, so that any replica can go on with it. */
export interface UploadState {
  /** UUID. */
  readonly id: string
  /** Bytes that it has. */
  readonly size: number
  /** Milliseconds since 1970. */
  readonly startedAt: number
}

export interface UploadChunk {
  readonly offset: number
  readonly body: AsyncIterable<Uint8Array>
  /** The body's chunks are the store's to free, because nobody else will look at them: as those of a request are. Default: they are not. */
  readonly givesChunks?: boolean
}

export interface PushedManifest {
  readonly bytes: Uint8Array
  /** The request's Content-Type, which alone decides how the bytes are read. */
  readonly mediaType: string | undefined
}

export interface KeptManifest {
  readonly descriptor: Descriptor
  /** The manifest's `subject`, where it has one: clients are told by OCI-Subject that the referrers API will list it. */
  readonly subject: Digest | undefined
}

export interface WritableContent {
  /** `algorithm`: of the digest that the upload will be finished with, where the client said so. */
  beginUpload(repository: RepositoryName, algorithm?: DigestAlgorithm): Promise<UploadState>
  /** `believed`: its size, as the client was told; so a look at the store can be saved by who appends or finishes next, which looks. */
  findUpload(repository: RepositoryName, id: string, believed?: number): Promise<UploadState | undefined>
  /**
   * Appends at `offset`. What came before the body broke off stays, and the state says how much that is.
   * Throws BLOB_UPLOAD_UNKNOWN; RANGE_INVALID when `offset` is not the upload's size (the upload stays as it is).
   */
  appendToUpload(repository: RepositoryName, id: string, chunk: UploadChunk, signal: AbortSignal): Promise<UploadState>
  /** Verifies all bytes, makes them a blob of the repository, ends the upload. Throws DIGEST_INVALID, BLOB_UPLOAD_UNKNOWN. */
  finishUpload(repository: RepositoryName, id: string, digest: Digest): Promise<Descriptor>
  /** False: there was none. */
  cancelUpload(repository: RepositoryName, id: string): Promise<boolean>
  /** Makes a blob of `from` one of `repository`, too. `undefined`: `from` (or, without it, the store) has no such blob. */
  mountBlob(repository: RepositoryName, digest: Digest, from: RepositoryName | undefined): Promise<Descriptor | undefined>
  /**
   * Verifies, checks what it refers to, keeps it, lists it among its subject's referrers, and points the tags at it, in this order.
   * `expected`: the digest that it was pushed by. Throws MANIFEST_INVALID, MANIFEST_BLOB_UNKNOWN, DIGEST_INVALID.
   */
  pushManifest(
    repository: RepositoryName,
    manifest: PushedManifest,
    target: { readonly expected?: Digest; readonly tags: readonly Tag[] },
  ): Promise<KeptManifest>
  /** With all tags that point at it: these are answered. `undefined`: there was none. */
  removeManifest(repository: RepositoryName, digest: Digest): Promise<readonly Tag[] | undefined>
  removeTag(repository: RepositoryName, tag: Tag): Promise<boolean>
  /** Takes the blob out of the repository; its bytes go with the next sweep that finds no other link. */
  removeBlob(repository: RepositoryName, digest: Digest): Promise<boolean>
}

/** Who is told of what the store has come to keep and keeps no more, after the fact. Methods return at once and never throw. */
export interface StoreChanges {
  keptManifest(repository: RepositoryName, digest: Digest, bytes: Uint8Array): void
  keptBlob(repository: RepositoryName, digest: Digest): void
  pointedTag(repository: RepositoryName, tag: Tag, digest: Digest): void
  removedTag(repository: RepositoryName, tag: Tag): void
  /** The repository's link to a manifest or a blob is gone; the bytes may be there yet. */
  unlinked(repository: RepositoryName, digest: Digest): void
}

/** What the store holds, repository by repository, as a walk finds it. */
export interface StoredRepository {
  readonly repository: RepositoryName
  readonly tags: readonly { readonly tag: Tag; readonly digest: Digest }[]
  readonly contents: readonly StoredContent[]
}

export interface StoredContent {
  readonly digest: Digest
  readonly size: number
  /** Of a manifest: what it needs; `undefined` for a blob. */
  readonly references: readonly Digest[] | undefined
  /** A guess at its last use, in milliseconds since 1970. */
  readonly usedAt: number
}

/** What is to be evicted: content of one repository, and the blobs that no other repository is thought to have. */
export interface EvictionTarget {
  readonly repository: RepositoryName
  /** Tags that go where they still point at one of the manifests. */
  readonly tags: readonly Tag[]
  readonly links: readonly { readonly digest: Digest; readonly kind: 'manifest' | 'blob' }[]
  readonly blobs: readonly Digest[]
}

export interface EvictionOutcome {
  /** That were freed. */
  readonly bytes: number
  /** Nothing went: somebody may be about to rely on it. */
  readonly isSpared: boolean
}
