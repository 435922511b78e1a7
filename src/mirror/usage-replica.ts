// The usage index of one of several processes that share a store but no disk: an index of its own, in memory, that tells the others what
// happens here and learns what happens there. Pins are in the store.
import type { Digest } from '../oci/digest.ts'
import type { RepositoryName, Tag } from '../oci/names.ts'
import type { StoredPins } from './stored-pins.ts'
import type { UsageExchange } from './usage-exchange.ts'
import type {
  Arrival,
  Exchanged,
  ImageQuery,
  ImageUse,
  Imagined,
  Removal,
  Root,
  UsageIndex,
  UsageTotals,
  Use,
  WalkTarget,
} from './usage-index.ts'
import { membersOf, tagMember } from './usage-news.ts'

export interface ReplicaUsageParts {
  /** Of this process alone. It is closed with this one. */
  readonly own: UsageIndex
  readonly pins: StoredPins
  /** `undefined`: there is nothing through which anybody could be told. */
  readonly others: UsageExchange | undefined
  readonly now: () => number
}

export class ReplicaUsage implements UsageIndex {
  readonly #own: UsageIndex
  readonly #pins: StoredPins
  readonly #others: UsageExchange | undefined
  readonly #now: () => number

  constructor({ own, pins, others, now }: ReplicaUsageParts) {
    this.#own = own
    this.#pins = pins
    this.#others = others
    this.#now = now
  }

  isComplete(): Promise<boolean> {
    return this.#own.isComplete()
  }

  /** Each replica walks for itself. */
  beginRebuild(): Promise<WalkTarget> {
    this.#others?.walks()
    return this.#own.beginRebuild()
  }

  endRebuild(): Promise<void> {
    return this.#own.endRebuild()
  }

  async add(arrivals: readonly Arrival[]): Promise<void> {
    for (const arrival of arrivals) this.#others?.tell({ kind: 'added', ...arrival })
    await this.#own.add(arrivals)
  }

  async point(repository: RepositoryName, tag: Tag, digest: Digest, at: number): Promise<void> {
    this.#others?.tell({ kind: 'pointed', repository, tag, digest, at })
    await this.#own.point(repository, tag, digest, at)
  }

  async unpoint(repository: RepositoryName, tag: Tag): Promise<void> {
    this.#others?.tell({ kind: 'unpointed', repository, tag })
    this.#others?.forget([tagMember(repository, tag)])
    await this.#own.unpoint(repository, tag)
  }

  async drop(repository: RepositoryName, digest: Digest): Promise<void> {
    const known = await this.#own.find(repository, digest)
    const tags = (known?.tags ?? []).map((tag) => tagMember(repository, tag))
    this.#others?.forget([...membersOf({ repository, digest, tag: undefined }), ...tags])
    if (known === undefined) return
    this.#others?.tell({ kind: 'dropped', repository, digest, at: this.#now() })
    await this.#own.drop(repository, digest)
  }

  async use(uses: readonly Use[], at: number): Promise<Use[]> {
    this.#others?.used(uses, at)
    return this.#own.use(uses, at)
  }

  totals(): Promise<UsageTotals> {
    return this.#own.totals()
  }

  oldest(limit: number, after?: string): Promise<Root[]> {
    return this.#own.oldest(limit, after)
  }

  parentsOf(root: Root): ReturnType<UsageIndex['parentsOf']> {
    return this.#own.parentsOf(root)
  }

  removalOf(root: Root, imagined?: Imagined): Promise<Removal> {
    return this.#own.removalOf(root, imagined)
  }

  find(repository: RepositoryName, digest: Digest): Promise<Root | undefined> {
    return this.#own.find(repository, digest)
  }

  findTag(repository: RepositoryName, tag: Tag): Promise<Digest | undefined> {
    return this.#own.findTag(repository, tag)
  }

  repositoriesOf(digest: Digest): Promise<RepositoryName[]> {
    return this.#own.repositoriesOf(digest)
  }

  images(query: ImageQuery): Promise<ImageUse[]> {
    return this.#own.images(query)
  }

  bytesOf(repository: RepositoryName, digest: Digest): Promise<number> {
    return this.#own.bytesOf(repository, digest)
  }

  pins(): Promise<string[]> {
    return this.#pins.list()
  }

  pin(pattern: string): Promise<void> {
    return this.#pins.add(pattern)
  }

  unpin(pattern: string): Promise<boolean> {
    return this.#pins.remove(pattern)
  }

  async exchange(isThorough: boolean): Promise<Exchanged> {
    return (await this.#others?.exchange(this.#own, isThorough)) ?? { doubtful: [], isOutdated: false }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#own[Symbol.asyncDispose]()
  }
}
