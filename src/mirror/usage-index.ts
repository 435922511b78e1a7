// What is kept, what needs what, and when it was last used: all that eviction, the dashboard and metrics ask, without a walk over
// the store. The store is the truth; an index may be lost, and is rebuilt. Every one passes test/contracts/usage-index.ts.
import type { Digest } from '../oci/digest.ts'
import type { RepositoryName, Tag } from '../oci/names.ts'

/** A manifest or a blob that a repository has come to have. */
export interface Arrival {
  readonly repository: RepositoryName
  readonly digest: Digest
  /** Bytes. */
  readonly size: number
  /** Of a manifest: the digests that it needs, also of manifests; `undefined` for a blob. */
  readonly references: readonly Digest[] | undefined
  /** Milliseconds since 1970; a later use that is known already stays. */
  readonly usedAt: number
}

export interface Use {
  readonly repository: RepositoryName
  readonly digest: Digest
  readonly tag: Tag | undefined
}

/** What can go by itself: a manifest, or a blob that no manifest of its repository needs. */
export interface Root {
  readonly repository: RepositoryName
  readonly digest: Digest
  readonly kind: 'manifest' | 'blob'
  /** Milliseconds since 1970: when it, or a manifest that lists it, was last used. */
  readonly usedAt: number
  readonly tags: readonly Tag[]
  /** Where the next page begins, to be handed back as it is. */
  readonly cursor: string
}

/** What goes with a root. */
export interface Removal {
  readonly root: Root
  /** The root's own link and those of what only it needed in its repository. */
  readonly links: readonly { readonly digest: Digest; readonly kind: 'manifest' | 'blob' }[]
  /** What no repository has any more then. */
  readonly blobs: readonly { readonly digest: Digest; readonly size: number }[]
}

export function freedBytes({ blobs }: Removal): number {
  return blobs.reduce((sum, { size }) => sum + size, 0)
}

/** Bookkeeping of a plan: what is imagined to be gone already. An index keeps in it what it needs. */
export type Imagined = Map<string, number>

export interface UsageTotals {
  /** Of all content, each blob once. */
  readonly bytes: number
  readonly blobs: number
}

/** A tag, or a manifest without one, as people look at images. */
export interface ImageUse {
  readonly repository: RepositoryName
  readonly tag: Tag | undefined
  readonly digest: Digest
  /** Milliseconds since 1970. */
  readonly usedAt: number
  /** Bytes here of all that it needs. */
  readonly bytes: number
}

export interface ImageQuery {
  /** Part of `repository:tag`, or `repository@digest` without one; `undefined`: all. */
  readonly search?: string | undefined
  /** Most lately used first when not given. */
  readonly order?: 'used' | 'oldest' | 'name'
  readonly limit: number
  readonly offset?: number
}

/** Where a walk over the store writes what it finds. */
export type WalkTarget = Pick<UsageIndex, 'add' | 'point' | 'use'>

export interface Exchanged {
  /** To be looked up in the store: what was used elsewhere and is not known here, or is said to be gone and was used since. */
  readonly doubtful: readonly Use[]
  /** Others have told what can't be had any more: only a walk over the store helps. */
  readonly isOutdated: boolean
}

export interface UsageIndex extends AsyncDisposable {
  /** False: it does not know yet what the store held before it was made. */
  isComplete(): Promise<boolean>
  /** Everything that is not added (again) from now on until `endRebuild` is forgotten there. Questions are answered meanwhile. */
  beginRebuild(): Promise<WalkTarget>
  endRebuild(): Promise<void>
  add(arrivals: readonly Arrival[]): Promise<void>
  /** `at`: milliseconds since 1970. */
  point(repository: RepositoryName, tag: Tag, digest: Digest, at: number): Promise<void>
  unpoint(repository: RepositoryName, tag: Tag): Promise<void>
  /** A repository's link is gone. Bytes that no other repository has count no more. */
  drop(repository: RepositoryName, digest: Digest): Promise<void>
  /** Also for what the used manifests list. Answers those of which the index knows nothing. */
  use(uses: readonly Use[], at: number): Promise<Use[]>
  totals(): Promise<UsageTotals>
  /** Least lately used first. */
  oldest(limit: number, after?: string): Promise<Root[]>
  /** Manifests of the same repository that list this one, at any depth, with their tags. */
  parentsOf(root: Root): Promise<{ readonly digest: Digest; readonly tags: readonly Tag[] }[]>
  /** What would go with it now; or after what `imagined` says is gone, where this is noted then. */
  removalOf(root: Root, imagined?: Imagined): Promise<Removal>
  /** `undefined`: the repository has no such manifest or blob. */
  find(repository: RepositoryName, digest: Digest): Promise<Root | undefined>
  /** What the tag points at. */
  findTag(repository: RepositoryName, tag: Tag): Promise<Digest | undefined>
  /** Repositories that have it. */
  repositoriesOf(digest: Digest): Promise<RepositoryName[]>
  /** Of those without a tag, what no index lists and was used lately. */
  images(query: ImageQuery): Promise<ImageUse[]>
  /** Bytes here of a manifest and all that it needs. */
  bytesOf(repository: RepositoryName, digest: Digest): Promise<number>
  /** Patterns that were pinned while running, beside those of the configuration. */
  pins(): Promise<string[]>
  pin(pattern: string): Promise<void>
  /** False: it was not pinned. */
  unpin(pattern: string): Promise<boolean>
  /**
   * Of an index that other processes on the same store have, too: tells them what happened here and learns what happened there.
   * `isThorough`: also what was used there within the last minute. Never rejects.
   */
  exchange?(isThorough: boolean): Promise<Exchanged>
}
