// Docker Hub keeps its official images below `library/`. Clients that leave it out mean the same repository, so it is the same one
// everywhere behind this door: in the store, upstream, and in the memory of what was asked.
import type { BlobDescription, BlobHandle, ContentSource, Manifest, ManifestDescription, Referrers } from '../content.ts'
import type { Digest } from '../oci/digest.ts'
import { type Reference, type RepositoryName, type Tag, withLibrary } from '../oci/names.ts'
import type { Page, PageOf } from '../oci/pagination.ts'

export class LibraryNames implements ContentSource {
  readonly #content: ContentSource

  constructor(content: ContentSource) {
    this.#content = content
  }

  describeManifest(repository: RepositoryName, reference: Reference, signal: AbortSignal): Promise<ManifestDescription | undefined> {
    return this.#content.describeManifest(withLibrary(repository), reference, signal)
  }

  findManifest(repository: RepositoryName, reference: Reference, signal: AbortSignal): Promise<Manifest | undefined> {
    return this.#content.findManifest(withLibrary(repository), reference, signal)
  }

  describeBlob(repository: RepositoryName, digest: Digest, signal: AbortSignal): Promise<BlobDescription | undefined> {
    return this.#content.describeBlob(withLibrary(repository), digest, signal)
  }

  findBlob(repository: RepositoryName, digest: Digest, signal: AbortSignal): Promise<BlobHandle | undefined> {
    return this.#content.findBlob(withLibrary(repository), digest, signal)
  }

  listTags(repository: RepositoryName, page: Page, signal: AbortSignal): Promise<PageOf<Tag> | undefined> {
    return this.#content.listTags(withLibrary(repository), page, signal)
  }

  listReferrers(
    repository: RepositoryName,
    subject: Digest,
    artifactType: string | undefined,
    signal: AbortSignal,
  ): Promise<Referrers | undefined> {
    return this.#content.listReferrers(withLibrary(repository), subject, artifactType, signal)
  }
}
