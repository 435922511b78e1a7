// What the admin API asks of the rest of the program: narrow views that compose makes, each answered from memory or an index.
import type { Manifest } from '../content.ts'
import type { Digest } from '../oci/digest.ts'
import type { RepositoryName, Tag } from '../oci/names.ts'
import type { Replica, Space, Traffic, Upstream } from './api.ts'

export interface FillView {
  readonly repository: RepositoryName
  readonly digest: Digest
  readonly bytes: number
  readonly size: number | undefined
  readonly readers: number
  readonly startedAt: number
}

/** Throws RegistryError, whose message an operator may see. */
export interface Actions {
  /** `undefined`: there is no upstream to ask. */
  readonly refresh:
    | ((
        repository: RepositoryName,
        tag: Tag,
        signal: AbortSignal,
      ) => Promise<{ readonly before: Digest | undefined; readonly now: Digest | undefined }>)
    | undefined
  /** Takes the tag away, and what nothing else here needs. Answers the bytes that were freed, and the tags that need it still. */
  evict(
    repository: RepositoryName,
    reference: { readonly tag: Tag | undefined; readonly digest: Digest },
  ): Promise<{ readonly freedBytes: number; readonly keptFor: readonly Tag[] }>
}

export type ImageOrder = 'used' | 'oldest' | 'name'

export interface ImageRow {
  readonly repository: RepositoryName
  readonly tag: Tag | undefined
  readonly digest: Digest
  readonly usedAt: number
  readonly bytes: number
}

/** What is here, as an index knows it. */
export interface ImageIndex {
  images(query: {
    readonly search?: string | undefined
    readonly order?: ImageOrder
    readonly limit: number
    readonly offset?: number
  }): Promise<ImageRow[]>
  find(repository: RepositoryName, digest: Digest): Promise<{ readonly usedAt: number; readonly tags: readonly Tag[] } | undefined>
  findTag(repository: RepositoryName, tag: Tag): Promise<Digest | undefined>
  /** Bytes here of all that the manifest needs. */
  bytesOf(repository: RepositoryName, digest: Digest): Promise<number>
  pins(): Promise<string[]>
  pin(pattern: string): Promise<void>
  unpin(pattern: string): Promise<boolean>
}

export interface Views {
  readonly version: string
  readonly mode: 'mirror' | 'registry'
  /** May be some seconds old. */
  replica(): Promise<Replica>
  readonly health: {
    readonly isFailing: boolean
    readonly isStopping: boolean
    failures(): [string, string][]
    troubles(): [string, string][]
  }
  traffic(): Traffic
  fills(): readonly FillView[]
  upstreams(): readonly Upstream[]
  /** May be some seconds old. `undefined`: nobody counts. */
  space(): Promise<Space | undefined>
  /** `undefined`: there is none, as nothing is mirrored. */
  readonly index: (() => Promise<ImageIndex>) | undefined
  /** proxy.pin. */
  readonly configuredPins: readonly string[]
  /** Which of the patterns pin it. */
  pinnedBy(patterns: readonly string[], content: { repository: RepositoryName; digest: Digest; tags: readonly Tag[] }): readonly string[]
  isOwn(repository: RepositoryName): boolean
  /** `nginx` → `library/nginx`; `undefined`: nothing that is served here. */
  nameOf(name: RepositoryName): RepositoryName | undefined
  /** From the store alone. */
  findManifest(repository: RepositoryName, digest: Digest): Promise<Manifest | undefined>
  /** Of a small blob, from the store alone. */
  readBlob(repository: RepositoryName, digest: Digest, maxBytes: number): Promise<Uint8Array | undefined>
  readonly actions: Actions
}
