// Keeps the usage index up to date, behind everybody's back: uses are noted in memory and written together every few seconds, arrivals
// are written as they come. Trouble with the index is logged and fails nobody's pull; what was missed is found again by use.
import pLimit from 'p-limit'
import type { ContentSource, ContentSink } from '../content.ts'
import type { StoreChanges, StoredRepository } from '../content-sink.ts'
import { awaitedLease } from '../cluster/held-lease.ts'
import type { Leases } from '../cluster/leases.ts'
import type { Clock } from '../lib/clock.ts'
import type { Digest } from '../oci/digest.ts'
import { manifestNeeds } from '../oci/manifest.ts'
import { isDigestReference, type Reference, type RepositoryName, type Tag } from '../oci/names.ts'
import type { Log } from '../telemetry/log.ts'
import { logTrouble } from './local-trouble.ts'
import type { UsageIndex, Use } from './usage-index.ts'

/** What a crash may forget of uses. */
const flushMs = 4000
/** Of what the index has never heard of, so much is looked up per flush. */
const mostLookups = 1000
const lookupsAtOnce = 16

export interface UsageStore extends Pick<ContentSource, 'findManifest'>, Pick<ContentSink, 'statBlob'> {
  /** All that is kept, by a walk. */
  inventory(signal: AbortSignal): AsyncIterable<StoredRepository>
}

export interface UsageParts {
  /** Called at the first need, and again later when it failed. */
  readonly openIndex: () => Promise<UsageIndex>
  readonly clock: Clock
  readonly log: Log
  /** Of all processes that share the index: one of them makes it. */
  readonly leases: Leases
  /** What is known of uses from elsewhere when the index is made. */
  readonly formerUses?: () => Promise<readonly (Use & { readonly usedAt: number })[]>
}

export class Usage implements StoreChanges, AsyncDisposable {
  readonly #parts: UsageParts
  readonly #stop = new AbortController()
  #store: UsageStore | undefined
  #index: Promise<UsageIndex> | undefined
  #isInTrouble = false
  #isReady = false
  #isRebuilding = false
  /** By repository and reference: what was used since the last flush. */
  #manifests = new Map<RepositoryName, Map<Reference, Digest>>()
  #blobs = new Map<RepositoryName, Set<Digest>>()
  #last: Promise<void> = Promise.resolve()
  #rebuilt: Promise<void> = Promise.resolve()
  #flushing: Promise<void> = Promise.resolve()

  constructor(parts: UsageParts) {
    this.#parts = parts
  }

  /** From now on uses are written now and then; an index that is new is filled from the store in the background. */
  start(store: UsageStore): void {
    this.#store = store
    this.#flushing = this.#flushNowAndThen()
    this.#rebuildBeside(store, true)
  }

  /** Throws what opening throws. */
  index(): Promise<UsageIndex> {
    this.#index ??= this.#parts.openIndex().catch((error: unknown) => {
      this.#index = undefined
      throw error
    })
    return this.#index
  }

  /** On the way of every pull, so no more than two look-ups in maps. */
  noteManifest(repository: RepositoryName, reference: Reference, digest: Digest): void {
    let noted = this.#manifests.get(repository)
    if (noted === undefined) this.#manifests.set(repository, (noted = new Map()))
    noted.set(reference, digest)
  }

  noteBlob(repository: RepositoryName, digest: Digest): void {
    let noted = this.#blobs.get(repository)
    if (noted === undefined) this.#blobs.set(repository, (noted = new Set()))
    noted.add(digest)
  }

  keptManifest(repository: RepositoryName, digest: Digest, bytes: Uint8Array): void {
    const arrival = { repository, digest, size: bytes.length, usedAt: this.#parts.clock.now() }
    this.#enqueue((index) => index.add([{ ...arrival, references: manifestNeeds(bytes)?.references ?? [] }]))
  }

  keptBlob(repository: RepositoryName, digest: Digest): void {
    this.#enqueue((index) => this.#addBlob(index, repository, digest))
  }

  pointedTag(repository: RepositoryName, tag: Tag, digest: Digest): void {
    this.#enqueue((index) => index.point(repository, tag, digest, this.#parts.clock.now()))
  }

  removedTag(repository: RepositoryName, tag: Tag): void {
    this.#enqueue((index) => index.unpoint(repository, tag))
  }

  unlinked(repository: RepositoryName, digest: Digest): void {
    this.#enqueue((index) => index.drop(repository, digest))
  }

  /** Resolves when all that was told before is written. Never rejects. */
  async settled(): Promise<void> {
    await this.#last
  }

  /** Whether the index knows all that is here. */
  get isReady(): boolean {
    return this.#isReady
  }

  /** Resolves when an index that was not complete is. Never rejects. */
  async rebuilt(): Promise<void> {
    await this.#rebuilt
  }

  /** Writes what was noted, and learns what other processes on this store have noted and told. Never rejects. */
  flush(): Promise<void> {
    return this.#flush(true)
  }

  /** Walks over the whole store. Never rejects. `onlyIfNeeded`: not when the index is complete. */
  async rebuild(store: UsageStore, onlyIfNeeded = false): Promise<void> {
    const { log } = this.#parts
    this.#store ??= store
    try {
      const index = await this.index()
      await using _only = await awaitedLease(this.#parts.leases, 'usage index', this.#stop.signal)
      if (onlyIfNeeded && (await index.isComplete())) {
        this.#isReady = true
        return
      }
      await this.#walk(index, store)
      this.#isReady = true
      log.info({ ...(await index.totals()) }, 'the usage index was made from the store')
    } catch (error) {
      if (!this.#stop.signal.aborted) logTrouble(log, { error }, 'the usage index cannot be made from the store')
    }
  }

  async #walk(index: UsageIndex, store: UsageStore): Promise<void> {
    const found = await index.beginRebuild()
    for await (const { repository, contents, tags } of store.inventory(this.#stop.signal)) {
      await found.add(contents.map((content) => ({ repository, ...content })))
      const usedAt = new Map(contents.map((content) => [content.digest, content.usedAt]))
      for (const { tag, digest } of tags) await found.point(repository, tag, digest, usedAt.get(digest) ?? 0)
    }
    for (const { usedAt, ...use } of (await this.#parts.formerUses?.()) ?? []) await found.use([use], usedAt)
    await index.endRebuild()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    await Promise.all([this.#rebuilt, this.#flushing])
    await this.#flush(false)
    await (await this.#index?.catch(() => undefined))?.[Symbol.asyncDispose]()
  }

  #takeNoted(): Use[] {
    const uses: Use[] = []
    for (const [repository, noted] of this.#manifests)
      for (const [reference, digest] of noted) uses.push({ repository, digest, tag: isDigestReference(reference) ? undefined : reference })
    for (const [repository, noted] of this.#blobs) for (const digest of noted) uses.push({ repository, digest, tag: undefined })
    this.#manifests = new Map()
    this.#blobs = new Map()
    return uses
  }

  async #flushNowAndThen(): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) {
      await this.#parts.clock.sleep(flushMs, signal).catch(() => undefined)
      await this.#flush(false)
    }
  }

  #flush(isThorough: boolean): Promise<void> {
    const uses = this.#takeNoted()
    const now = this.#parts.clock.now()
    if (uses.length > 0 || this.#index !== undefined) {
      this.#enqueue(async (index) => {
        const unknown = uses.length > 0 ? await index.use(uses, now) : []
        const exchanged = await index.exchange?.(isThorough)
        await this.#learn(index, [...unknown, ...(exchanged?.doubtful ?? [])])
        if (exchanged?.isOutdated === true) this.#catchUp()
      })
    }
    return this.settled()
  }

  /** It is asked for again until it is done. */
  #catchUp(): void {
    if (this.#store === undefined || this.#isRebuilding || this.#stop.signal.aborted) return
    this.#parts.log.info({}, 'too much of what other replicas told was missed: the usage index is made from the store again')
    this.#rebuildBeside(this.#store)
  }

  #rebuildBeside(store: UsageStore, onlyIfNeeded = false): void {
    this.#isRebuilding = true
    this.#rebuilt = this.rebuild(store, onlyIfNeeded).finally(() => {
      this.#isRebuilding = false
    })
  }

  /** What is used but not known came while nobody listened: from another process, or just before a crash. */
  async #learn(index: UsageIndex, unknown: readonly Use[]): Promise<void> {
    const store = this.#store
    if (store === undefined) return
    const limit = pLimit(lookupsAtOnce)
    await Promise.all(unknown.slice(0, mostLookups).map((use) => limit(() => this.#learnOf(index, store, use))))
  }

  async #learnOf(index: UsageIndex, store: UsageStore, { repository, digest, tag }: Use): Promise<void> {
    const manifest = await store.findManifest(repository, digest, this.#stop.signal)
    if (manifest === undefined) return this.#addBlob(index, repository, digest)
    const arrival = { repository, digest, size: manifest.bytes.length, usedAt: this.#parts.clock.now() }
    await index.add([{ ...arrival, references: manifestNeeds(manifest.bytes)?.references ?? [] }])
    if (tag !== undefined) await index.point(repository, tag, digest, arrival.usedAt)
  }

  async #addBlob(index: UsageIndex, repository: RepositoryName, digest: Digest): Promise<void> {
    const stored = await this.#store?.statBlob(digest)
    if (stored === undefined) return index.drop(repository, digest)
    await index.add([{ repository, digest, size: stored.size, references: undefined, usedAt: this.#parts.clock.now() }])
  }

  /** One after the other, in the order of the facts. */
  #enqueue(work: (index: UsageIndex) => Promise<void>): void {
    this.#last = this.#last.then(async () => {
      try {
        await work(await this.index())
        this.#isInTrouble = false
      } catch (error) {
        if (!this.#isInTrouble) this.#parts.log.error({ error }, 'the usage index cannot be written: what was used is not remembered')
        this.#isInTrouble = true
      }
    })
  }
}
