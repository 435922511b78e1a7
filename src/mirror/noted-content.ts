// Content whose every successful answer is noted as a use. What was asked by digest counts as much as what was asked by tag, and a
// question without the bytes (HEAD) as much as a pull: who asks relies on what is here.
import type { BlobDescription, BlobHandle, ContentSource, Manifest, ManifestDescription, Referrers } from '../content.ts'
import type { Digest } from '../oci/digest.ts'
import type { Reference, RepositoryName, Tag } from '../oci/names.ts'
import type { Page, PageOf } from '../oci/pagination.ts'

export interface UseNotes {
  noteManifest(repository: RepositoryName, reference: Reference, digest: Digest): void
  noteBlob(repository: RepositoryName, digest: Digest): void
}

export class NotedContent implements ContentSource {
  readonly #content: ContentSource
  readonly #notes: UseNotes

  constructor(content: ContentSource, notes: UseNotes) {
    this.#content = content
    this.#notes = notes
  }

  async describeManifest(repository: RepositoryName, reference: Reference, signal: AbortSignal): Promise<ManifestDescription | undefined> {
    const found = await this.#content.describeManifest(repository, reference, signal)
    if (found !== undefined) this.#notes.noteManifest(repository, reference, found.descriptor.digest)
    return found
  }

  async findManifest(repository: RepositoryName, reference: Reference, signal: AbortSignal): Promise<Manifest | undefined> {
    const found = await this.#content.findManifest(repository, reference, signal)
    if (found !== undefined) this.#notes.noteManifest(repository, reference, found.descriptor.digest)
    return found
  }

  recallManifest(repository: RepositoryName, reference: Reference): Manifest | undefined {
    const found = this.#content.recallManifest?.(repository, reference)
    if (found !== undefined) this.#notes.noteManifest(repository, reference, found.descriptor.digest)
    return found
  }

  async describeBlob(repository: RepositoryName, digest: Digest, signal: AbortSignal): Promise<BlobDescription | undefined> {
    const found = await this.#content.describeBlob(repository, digest, signal)
    if (found !== undefined) this.#notes.noteBlob(repository, digest)
    return found
  }

  async findBlob(repository: RepositoryName, digest: Digest, signal: AbortSignal): Promise<BlobHandle | undefined> {
    const found = await this.#content.findBlob(repository, digest, signal)
    if (found !== undefined) this.#notes.noteBlob(repository, digest)
    return found
  }

  listTags(repository: RepositoryName, page: Page, signal: AbortSignal): Promise<PageOf<Tag> | undefined> {
    return this.#content.listTags(repository, page, signal)
  }

  listReferrers(
    repository: RepositoryName,
    subject: Digest,
    artifactType: string | undefined,
    signal: AbortSignal,
  ): Promise<Referrers | undefined> {
    return this.#content.listReferrers(repository, subject, artifactType, signal)
  }
}
