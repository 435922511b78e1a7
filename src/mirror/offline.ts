// The mirror without a network: what is kept is served, and what is not is refused in words that tell why.
import type { BlobDescription, BlobHandle, ContentSource, Manifest, ManifestDescription, Referrers } from '../content.ts'
import type { Digest } from '../oci/digest.ts'
import { type ErrorCode, RegistryError } from '../oci/errors.ts'
import type { Reference, RepositoryName, Tag } from '../oci/names.ts'
import type { Page, PageOf } from '../oci/pagination.ts'

/** Where a store says "none", this throws RegistryError MANIFEST_UNKNOWN, BLOB_UNKNOWN or NAME_UNKNOWN. */
export class OfflineContent implements ContentSource {
  readonly #local: ContentSource

  constructor(local: ContentSource) {
    this.#local = local
  }

  async describeManifest(repository: RepositoryName, reference: Reference, signal: AbortSignal): Promise<ManifestDescription> {
    return (await this.#local.describeManifest(repository, reference, signal)) ?? absent('MANIFEST_UNKNOWN')
  }

  async findManifest(repository: RepositoryName, reference: Reference, signal: AbortSignal): Promise<Manifest> {
    return (await this.#local.findManifest(repository, reference, signal)) ?? absent('MANIFEST_UNKNOWN')
  }

  recallManifest(repository: RepositoryName, reference: Reference): Manifest | undefined {
    return this.#local.recallManifest?.(repository, reference)
  }

  async describeBlob(repository: RepositoryName, digest: Digest, signal: AbortSignal): Promise<BlobDescription> {
    return (await this.#local.describeBlob(repository, digest, signal)) ?? absent('BLOB_UNKNOWN')
  }

  async findBlob(repository: RepositoryName, digest: Digest, signal: AbortSignal): Promise<BlobHandle> {
    return (await this.#local.findBlob(repository, digest, signal)) ?? absent('BLOB_UNKNOWN')
  }

  async listTags(repository: RepositoryName, page: Page, signal: AbortSignal): Promise<PageOf<Tag>> {
    return (await this.#local.listTags(repository, page, signal)) ?? absent('NAME_UNKNOWN')
  }

  /** The store knows the referrers of what was pushed to it, not those of what was mirrored: "none" could be untrue. */
  async listReferrers(): Promise<Referrers> {
    return absent('MANIFEST_UNKNOWN')
  }
}

const messages = {
  MANIFEST_UNKNOWN: 'manifest unknown',
  BLOB_UNKNOWN: 'blob unknown to registry',
  NAME_UNKNOWN: 'repository name not known to registry',
} as const satisfies Partial<Record<ErrorCode, string>>

function absent(code: keyof typeof messages): never {
  throw new RegistryError(code, messages[code], { detail: 'the mirror is offline, by configuration, and does not have it' })
}
