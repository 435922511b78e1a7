// Repositories that are ours beside mirrored ones (`proxy.local`): they are read from the store alone, under the very name that
// clients use, and upstream is never asked for them.
import type { BlobDescription, BlobHandle, ContentSource, Manifest, ManifestDescription, Referrers } from '../content.ts'
import { compileGlobs } from '../lib/globs.ts'
import type { Digest } from '../oci/digest.ts'
import type { Reference, RepositoryName, Tag } from '../oci/names.ts'
import type { Page, PageOf } from '../oci/pagination.ts'

export type IsOwn = (repository: RepositoryName) => boolean
type NameOf = (ns: string | undefined, name: RepositoryName) => RepositoryName | undefined

/** `undefined`: without patterns everything is mirrored. */
export function createIsOwn(patterns: readonly string[]): IsOwn | undefined {
  return patterns.length === 0 ? undefined : compileGlobs(patterns)
}

/**
 * A name of ours means ours where the client names no registry, or the one that is mirrored mainly: then it hides upstream's image
 * of that name. With the name of another registry it is that registry's.
 */
export function nameOfOwn(isOwn: IsOwn, nameOf: NameOf): NameOf {
  return (ns, name) => {
    const mirrored = nameOf(ns, name)
    if (!isOwn(name)) return mirrored
    return ns === undefined || (mirrored !== undefined && mirrored === nameOf(undefined, name)) ? name : mirrored
  }
}

/** Asks `own` for what is ours, and `mirrored` for the rest. */
export class OwnAndMirrored implements ContentSource {
  readonly #isOwn: IsOwn
  readonly #own: ContentSource
  readonly #mirrored: ContentSource

  constructor(isOwn: IsOwn, own: ContentSource, mirrored: ContentSource) {
    this.#isOwn = isOwn
    this.#own = own
    this.#mirrored = mirrored
  }

  describeManifest(repository: RepositoryName, reference: Reference, signal: AbortSignal): Promise<ManifestDescription | undefined> {
    return this.#of(repository).describeManifest(repository, reference, signal)
  }

  findManifest(repository: RepositoryName, reference: Reference, signal: AbortSignal): Promise<Manifest | undefined> {
    return this.#of(repository).findManifest(repository, reference, signal)
  }

  recallManifest(repository: RepositoryName, reference: Reference): Manifest | undefined {
    return this.#of(repository).recallManifest?.(repository, reference)
  }

  describeBlob(repository: RepositoryName, digest: Digest, signal: AbortSignal): Promise<BlobDescription | undefined> {
    return this.#of(repository).describeBlob(repository, digest, signal)
  }

  findBlob(repository: RepositoryName, digest: Digest, signal: AbortSignal): Promise<BlobHandle | undefined> {
    return this.#of(repository).findBlob(repository, digest, signal)
  }

  listTags(repository: RepositoryName, page: Page, signal: AbortSignal): Promise<PageOf<Tag> | undefined> {
    return this.#of(repository).listTags(repository, page, signal)
  }

  listReferrers(
    repository: RepositoryName,
    subject: Digest,
    artifactType: string | undefined,
    signal: AbortSignal,
  ): Promise<Referrers | undefined> {
    return this.#of(repository).listReferrers(repository, subject, artifactType, signal)
  }

  #of(repository: RepositoryName): ContentSource {
    return this.#isOwn(repository) ? this.#own : this.#mirrored
  }
}
