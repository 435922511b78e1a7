// Several registries as one source of content: the name says which of them is asked, and is given to it as it knows it.
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
import { destinationOf, type RoutingRules } from './routing.ts'

export interface RoutedUpstreamsOptions {
  readonly rules: RoutingRules
  /** The registry of this host; `undefined`: the main one. */
  readonly sourceOf: (host: string | undefined) => TransferSource
}

/** Of a name that no registry is served for, there is none. */
export class RoutedUpstreams implements TransferSource {
  readonly #options: RoutedUpstreamsOptions

  constructor(options: RoutedUpstreamsOptions) {
    this.#options = options
  }

  describeManifest(repository: RepositoryName, reference: Reference, signal: AbortSignal): Promise<ManifestDescription | undefined> {
    return this.#ask(repository, (source, name) => source.describeManifest(name, reference, signal))
  }

  findManifest(repository: RepositoryName, reference: Reference, signal: AbortSignal): Promise<Manifest | undefined> {
    return this.#ask(repository, (source, name) => source.findManifest(name, reference, signal))
  }

  describeBlob(repository: RepositoryName, digest: Digest, signal: AbortSignal): Promise<BlobDescription | undefined> {
    return this.#ask(repository, (source, name) => source.describeBlob(name, digest, signal))
  }

  openBlob(
    repository: RepositoryName,
    digest: Digest,
    range: TransferRange | undefined,
    signal: AbortSignal,
  ): Promise<BlobTransfer | undefined> {
    return this.#ask(repository, (source, name) => source.openBlob(name, digest, range, signal))
  }

  listTags(repository: RepositoryName, page: Page, signal: AbortSignal): Promise<PageOf<Tag> | undefined> {
    return this.#ask(repository, (source, name) => source.listTags(name, page, signal))
  }

  listReferrers(
    repository: RepositoryName,
    subject: Digest,
    artifactType: string | undefined,
    signal: AbortSignal,
  ): Promise<Referrers | undefined> {
    return this.#ask(repository, (source, name) => source.listReferrers(name, subject, artifactType, signal))
  }

  standing(repository: RepositoryName): Standing {
    const destination = destinationOf(this.#options.rules, repository)
    if (destination === undefined) return { name: repository, pausedUntil: 0, pullsLeft: undefined }
    return this.#options.sourceOf(destination.host).standing(destination.repository)
  }

  async #ask<T>(
    repository: RepositoryName,
    question: (source: TransferSource, name: RepositoryName) => Promise<T | undefined>,
  ): Promise<T | undefined> {
    const destination = destinationOf(this.#options.rules, repository)
    if (destination === undefined) return undefined
    return question(this.#options.sourceOf(destination.host), destination.repository)
  }
}
