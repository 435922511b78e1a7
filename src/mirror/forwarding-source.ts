// A source that hands every question on to another one, in one way of its own: so that way is written once, not for each question.
import type {
  BlobDescription,
  BlobTransfer,
  Manifest,
  ManifestDescription,
  Referrers,
  Standing,
  TransferRange,
  TransferSource,
} from '../content.ts'
import type { Digest } from '../oci/digest.ts'
import type { Reference, RepositoryName, Tag } from '../oci/names.ts'
import type { Page, PageOf } from '../oci/pagination.ts'

export interface ForwardedQuestion {
  readonly repository: RepositoryName
  /** What of the repository it is about; questions about the same thing have the same text. */
  readonly subject: string
  /** Where it is about a blob. */
  readonly blob?: Digest
  /** Whether Docker Hub counts it as a pull. */
  readonly costsQuota: boolean
  readonly signal: AbortSignal
}

/** Asks `source` the question, under the name by which that source knows the repository. */
export type PutQuestion<T> = (source: TransferSource, repository: RepositoryName) => Promise<T | undefined>

export abstract class ForwardingSource implements TransferSource {
  protected abstract forward<T>(question: ForwardedQuestion, put: PutQuestion<T>): Promise<T | undefined>
  abstract standing(repository: RepositoryName): Standing

  describeManifest(repository: RepositoryName, reference: Reference, signal: AbortSignal): Promise<ManifestDescription | undefined> {
    const question = { repository, subject: `manifest ${reference}`, costsQuota: false, signal }
    return this.forward(question, (source, name) => source.describeManifest(name, reference, signal))
  }

  findManifest(repository: RepositoryName, reference: Reference, signal: AbortSignal): Promise<Manifest | undefined> {
    const question = { repository, subject: `manifest ${reference}`, costsQuota: true, signal }
    return this.forward(question, (source, name) => source.findManifest(name, reference, signal))
  }

  describeBlob(repository: RepositoryName, digest: Digest, signal: AbortSignal): Promise<BlobDescription | undefined> {
    return this.forward(aboutBlob(repository, digest, signal), (source, name) => source.describeBlob(name, digest, signal))
  }

  openBlob(
    repository: RepositoryName,
    digest: Digest,
    range: TransferRange | undefined,
    signal: AbortSignal,
  ): Promise<BlobTransfer | undefined> {
    return this.forward(aboutBlob(repository, digest, signal), (source, name) => source.openBlob(name, digest, range, signal))
  }

  listTags(repository: RepositoryName, page: Page, signal: AbortSignal): Promise<PageOf<Tag> | undefined> {
    const question = { repository, subject: 'tags', costsQuota: false, signal }
    return this.forward(question, (source, name) => source.listTags(name, page, signal))
  }

  listReferrers(
    repository: RepositoryName,
    subject: Digest,
    artifactType: string | undefined,
    signal: AbortSignal,
  ): Promise<Referrers | undefined> {
    const question = { repository, subject: `referrers ${subject} ${artifactType ?? ''}`, costsQuota: false, signal }
    return this.forward(question, (source, name) => source.listReferrers(name, subject, artifactType, signal))
  }
}

function aboutBlob(repository: RepositoryName, blob: Digest, signal: AbortSignal): ForwardedQuestion {
  return { repository, subject: `blob ${blob}`, blob, costsQuota: false, signal }
}
