// The pull-through cache: a local store and an upstream, seen from outside as one source of content.
// It decides what is served from where; how bytes are kept is the store's business, how they are fetched is upstream's.
import { setMaxListeners } from 'node:events'
import type { SharedFacts } from '../cluster/shared-facts.ts'
import {
  type BlobDescription,
  type BlobHandle,
  type ContentSink,
  type ContentSource,
  type Manifest,
  type ManifestDescription,
  type Referrers,
  type TransferSource,
  UpstreamFailure,
} from '../content.ts'
import { waitFor } from '../lib/abort.ts'
import type { Clock } from '../lib/clock.ts'
import { SingleFlight } from '../lib/single-flight.ts'
import type { Digest } from '../oci/digest.ts'
import { isDigestReference, type Reference, type RepositoryName, type Tag } from '../oci/names.ts'
import type { Page, PageOf } from '../oci/pagination.ts'
import { type MirrorFacts, noMirrorFacts } from '../telemetry/facts.ts'
import { errorText, type Log } from '../telemetry/log.ts'
import { directTransfers, type OpenFillTransfers } from './fill-transfers.ts'
import { type FillProgress, Fills } from './fills.ts'
import { patiently } from './local-trouble.ts'
import type { Outage } from './outages.ts'
import { MirroredManifests } from './manifests.ts'
import { waitUntil } from './patience.ts'
import { SteadyBlobs } from './steady-blobs.ts'
import { isReferrersTag, MirroredReferrers } from './referrers.ts'
import type { Room } from './room.ts'
import { Spool } from './spool.ts'
import { keyOf } from './tag-memory.ts'
import { type TagPolicy, Tags } from './tags.ts'

export interface PullThroughOptions {
  readonly local: ContentSource & ContentSink
  readonly upstream: TransferSource
  /** Where fills get their bytes, when not straight from `upstream`. */
  readonly transfersOf?: OpenFillTransfers | undefined
  readonly policy: TagPolicy
  /** What replicas tell each other; `undefined`: there are none. */
  readonly shared?: SharedFacts | undefined
  /** Where partial files lie: best on the device of the store, so that a complete one only needs to be renamed. */
  readonly spoolFolder: string
  /** Asked before a blob is kept; `undefined`: there is always room. */
  readonly room?: Room | undefined
  readonly clock: Clock
  readonly log: Log
  /** Who is told what happens; nobody when not given. */
  readonly facts?: MirrorFacts | undefined
}

export class PullThrough implements ContentSource, AsyncDisposable {
  readonly #options: PullThroughOptions
  readonly #stop = new AbortController()
  readonly #spool: Spool
  readonly #fills: Fills
  readonly #manifests: MirroredManifests
  readonly #tags: Tags
  readonly #coldTags = new SingleFlight<string, Manifest | undefined>()
  readonly #tagLists = new SingleFlight<string, PageOf<Tag> | undefined>()
  readonly #referrers: MirroredReferrers
  readonly #steady: SteadyBlobs

  private constructor(options: PullThroughOptions, spool: Spool) {
    const { local, upstream: source, clock, log, policy, facts = noMirrorFacts } = options
    const common = { local, source, log, stop: this.#stop.signal, shared: options.shared }
    setMaxListeners(0, this.#stop.signal)
    this.#options = options
    this.#spool = spool
    const transfersOf = options.transfersOf ?? directTransfers(source)
    this.#fills = new Fills({ source, transfersOf, local, spool, room: options.room, clock, log, facts })
    this.#manifests = new MirroredManifests(common)
    this.#tags = new Tags({ ...common, manifests: this.#manifests, policy, clock, facts })
    this.#referrers = new MirroredReferrers(common)
    this.#steady = new SteadyBlobs(async (repository, digest, signal) => {
      await local.doubtBlob(repository, digest)
      return (await this.#here(repository, digest, signal)) ?? this.#fills.join(repository, digest, signal)
    }, log)
  }

  /** Takes over partial files of former processes. Asks upstream nothing. */
  static async open(options: PullThroughOptions): Promise<PullThrough> {
    return new PullThrough(options, await Spool.open(options.spoolFolder, options.clock, options.log))
  }

  async describeManifest(repository: RepositoryName, reference: Reference, signal: AbortSignal): Promise<ManifestDescription | undefined> {
    if (isDigestReference(reference)) return this.#manifests.describe(repository, reference, signal)
    return this.#resolve(repository, reference, signal)
  }

  async findManifest(repository: RepositoryName, reference: Reference, signal: AbortSignal): Promise<Manifest | undefined> {
    if (isDigestReference(reference)) return this.#manifests.find(repository, reference, signal)
    const hasStandIn = await this.#tags.hasStandIn(repository, reference, signal)
    if (hasStandIn) return this.#findByTag(repository, reference, hasStandIn, signal)
    // All that can be had is what upstream says now: whoever asks before it is here shares the questions, not only one of them.
    const ask = () => this.#findByTag(repository, reference, hasStandIn, this.#stop.signal)
    return waitFor(this.#coldTags.run(keyOf(repository, reference), ask), signal)
  }

  async #findByTag(repository: RepositoryName, reference: Tag, hasStandIn: boolean, signal: AbortSignal): Promise<Manifest | undefined> {
    const { clock, policy } = this.#options
    const deadline = clock.now() + policy.revalidateTimeoutMs
    const tag = await this.#resolve(repository, reference, signal)
    if (tag === undefined) return undefined
    const here = await this.#manifests.local(repository, tag.descriptor.digest, signal)
    if (here !== undefined) return { ...here, provenance: tag.provenance }
    const fetched = this.#fetch(repository, reference, tag.descriptor.digest, signal)
    try {
      return await (hasStandIn ? waitUntil(deadline, fetched, clock, signal) : fetched)
    } catch (error) {
      // The tag has moved, but upstream broke before the new manifest was here: the one before may stand in.
      const before = await this.#tags.standIn(repository, reference, error, signal)
      if (before === undefined) throw error
      const old = await this.#manifests.local(repository, before.descriptor.digest, signal)
      if (old === undefined) throw error
      return { ...old, provenance: before.provenance }
    }
  }

  recallManifest(repository: RepositoryName, reference: Reference): Manifest | undefined {
    return isDigestReference(reference) ? this.#manifests.recall(repository, reference) : this.#tags.recall(repository, reference)
  }

  async describeBlob(repository: RepositoryName, digest: Digest, signal: AbortSignal): Promise<BlobDescription | undefined> {
    return (
      (await this.#here(repository, digest, signal)) ??
      (await this.#fills.describe(repository, digest, signal)) ??
      this.#fills.confirm(repository, digest, signal)
    )
  }

  async findBlob(repository: RepositoryName, digest: Digest, signal: AbortSignal): Promise<BlobHandle | undefined> {
    const here = (await this.#here(repository, digest, signal)) ?? (await this.#fromAnotherRepository(repository, digest, signal))
    return here === undefined ? this.#fills.join(repository, digest, signal) : this.#steady.of(repository, here)
  }

  /** A blob that is being filled here, or is here, for another replica: starts no fill. */
  async findRunning(repository: RepositoryName, digest: Digest, signal: AbortSignal): Promise<BlobHandle | undefined> {
    return (await this.#fills.running(repository, digest, signal)) ?? this.#here(repository, digest, signal)
  }

  /** What is on its way in, the oldest first. */
  fills(): FillProgress[] {
    return this.#fills.list()
  }

  /** Upstreams that fail right now. */
  outages(): Outage[] {
    return this.#tags.outages()
  }

  /** Asks upstream now, whatever is remembered, and fetches the manifest where it is another one. Throws UpstreamFailure. */
  async refresh(
    repository: RepositoryName,
    tag: Tag,
    signal: AbortSignal,
  ): Promise<{ readonly before: Digest | undefined; readonly now: Digest | undefined }> {
    const before = (await this.#tags.stored(repository, tag, signal))?.digest
    const now = (await this.#tags.confirm(repository, tag, signal))?.digest
    if (now !== undefined && (await this.#manifests.local(repository, now, signal)) === undefined) {
      await this.#fetch(repository, tag, now, signal)
    }
    return { before, now }
  }

  /** Upstream's list; while upstream is in trouble, the tags that are here. */
  async listTags(repository: RepositoryName, page: Page, signal: AbortSignal): Promise<PageOf<Tag> | undefined> {
    const { upstream, local, log } = this.#options
    try {
      const ask = () => upstream.listTags(repository, page, this.#stop.signal)
      return await waitFor(this.#tagLists.run(`${repository} ${JSON.stringify(page)}`, ask), signal)
    } catch (error) {
      if (!(error instanceof UpstreamFailure)) throw error
      const here = await patiently(() => local.listTags(repository, page, signal), log, { repository })
      if (here === undefined) throw error
      log.warn({ repository, reason: errorText(error) }, 'listing the tags that are here: upstream cannot be asked')
      return here
    }
  }

  listReferrers(
    repository: RepositoryName,
    subject: Digest,
    artifactType: string | undefined,
    signal: AbortSignal,
  ): Promise<Referrers | undefined> {
    return this.#referrers.list(repository, subject, artifactType, signal)
  }

  /** Stops all transfers; what has come of unfinished blobs stays for the next process. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error('the mirror is stopping'))
    await this.#fills[Symbol.asyncDispose]()
    await this.#manifests.settled()
    await this.#spool[Symbol.asyncDispose]()
  }

  async #resolve(repository: RepositoryName, tag: Tag, signal: AbortSignal): Promise<ManifestDescription | undefined> {
    try {
      return await this.#tags.resolve(repository, tag, signal)
    } catch (error) {
      if (!(error instanceof UpstreamFailure) || !isReferrersTag(tag)) throw error
      this.#options.log.debug({ repository, tag, error }, 'answering that there are no referrers: upstream cannot be asked')
      return undefined
    }
  }

  /** The manifest that a tag was found to point at; or, where the tag has moved on since and that one is gone, what it means now. */
  async #fetch(repository: RepositoryName, tag: Tag, digest: Digest, signal: AbortSignal): Promise<Manifest | undefined> {
    return (await this.#manifests.fetch(repository, digest, signal)) ?? this.#tags.fetch(repository, tag, signal)
  }

  /** The blob as this repository has it. Trouble of the disk counts as absence: upstream can still help. */
  #here(repository: RepositoryName, digest: Digest, signal: AbortSignal): Promise<BlobHandle | undefined> {
    const { local, log } = this.#options
    return patiently(() => local.findBlob(repository, digest, signal), log, { repository, digest })
  }

  /** A blob that is kept for another repository only needs a link, once upstream has said that this repository has it, too. */
  async #fromAnotherRepository(repository: RepositoryName, digest: Digest, signal: AbortSignal): Promise<BlobHandle | undefined> {
    const { local, log } = this.#options
    if (this.#fills.has(digest)) return undefined
    const kept = await patiently(() => local.statBlob(digest), log, { digest })
    if (kept === undefined) return undefined
    // A fill may have put it there since we looked.
    const here = await this.#here(repository, digest, signal)
    if (here !== undefined) return here
    const confirmed = await this.#fills.confirm(repository, digest, signal)
    // Bytes of another size are damaged: a fill will replace them.
    if (confirmed?.descriptor.size !== kept.size) return undefined
    try {
      await local.linkBlob(repository, digest)
    } catch (error) {
      log.error({ repository, digest, error }, 'a blob that is here cannot be linked into another repository')
      return undefined
    }
    return this.#here(repository, digest, signal)
  }
}
