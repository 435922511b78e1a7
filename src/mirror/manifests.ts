// Manifests by digest: from the store, else from upstream, once. A digest is never asked for again while the store has it.
import { LRUCache } from 'lru-cache'
import type { SharedFacts } from '../cluster/shared-facts.ts'
import type { ContentSink, ContentSource, Manifest, ManifestDescription, TransferSource } from '../content.ts'
import { waitFor } from '../lib/abort.ts'
import { SingleFlight } from '../lib/single-flight.ts'
import type { Digest } from '../oci/digest.ts'
import { isDigestReference, type Reference, type RepositoryName, type Tag } from '../oci/names.ts'
import type { Log } from '../telemetry/log.ts'
import { logTrouble, patiently } from './local-trouble.ts'
import { keyOf } from './tag-memory.ts'

/** Manifests that the disk refused are kept here, so that they need not be asked for again at each pull. */
const unkeptBytes = 16 * 1024 * 1024
/** Tags that were seen by HEAD only and wait for their manifest. */
const mostPendingTags = 10_000
/** How long a manifest that another replica fetches is waited for. */
const fetchPatienceMs = 5_000

export interface MirroredManifestsParts {
  readonly local: ContentSource & ContentSink
  readonly source: TransferSource
  readonly log: Log
  /** What replicas tell each other; `undefined`: there are none. */
  readonly shared?: SharedFacts | undefined
  /** Ends shared work when the program stops. */
  readonly stop: AbortSignal
}

export class MirroredManifests {
  readonly #parts: MirroredManifestsParts
  readonly #fetches = new SingleFlight<string, Manifest | undefined>()
  readonly #writes = new Set<Promise<void>>()
  readonly #questions = new SingleFlight<string, ManifestDescription | undefined>()
  readonly #unkept = new LRUCache<string, Manifest>({ maxSize: unkeptBytes, sizeCalculation: ({ bytes }) => bytes.length + 200 })
  readonly #pendingTags = new LRUCache<string, Set<Tag>>({ max: mostPendingTags })
  /** What tags are to point at: one that waits for its manifest may have moved on by the time that this comes. */
  readonly #targets = new LRUCache<string, Digest>({ max: mostPendingTags })

  constructor(parts: MirroredManifestsParts) {
    this.#parts = parts
  }

  /** What is here already. Trouble of the disk counts as absence: upstream can still help. */
  async local(repository: RepositoryName, digest: Digest, signal: AbortSignal): Promise<Manifest | undefined> {
    const { local, log } = this.#parts
    const found = await patiently(() => local.findManifest(repository, digest, signal), log, { repository, digest })
    return found ?? this.#unkept.get(`${repository}@${digest}`)
  }

  /** What is in memory; `undefined` says nothing. */
  recall(repository: RepositoryName, digest: Digest): Manifest | undefined {
    return this.#parts.local.recallManifest?.(repository, digest)
  }

  async describe(repository: RepositoryName, digest: Digest, signal: AbortSignal): Promise<ManifestDescription | undefined> {
    const here = await this.local(repository, digest, signal)
    if (here !== undefined) return here
    const { source, stop } = this.#parts
    const ask = () => source.describeManifest(repository, digest, stop)
    return waitFor(this.#questions.run(`${repository}@${digest}`, ask), signal)
  }

  /** Throws UpstreamFailure. */
  async find(repository: RepositoryName, digest: Digest, signal: AbortSignal): Promise<Manifest | undefined> {
    return (await this.local(repository, digest, signal)) ?? this.fetch(repository, digest, signal)
  }

  /** From upstream into the store; everybody who asks meanwhile shares the answer. Throws UpstreamFailure. */
  fetch(repository: RepositoryName, reference: Reference, signal: AbortSignal): Promise<Manifest | undefined> {
    const { source, stop, shared } = this.#parts
    const work = async () => {
      const manifest = await source.findManifest(repository, reference, stop)
      if (manifest !== undefined) await this.keep(repository, manifest)
      return manifest
    }
    const key = `${repository}@${reference}`
    // What a tag points at is asked anew, but a digest that another replica is fetching will be in the store that they share.
    const fetchOnce =
      shared === undefined || !isDigestReference(reference)
        ? work
        : () =>
            shared.inTurn({
              key: `manifest ${key}`,
              outcome: () => this.local(repository, reference, stop),
              work,
              patienceMs: fetchPatienceMs,
            })
    return waitFor(this.#fetches.run(key, fetchOnce), signal)
  }

  /** Puts a verified manifest into the store, and the tags that waited for it. A disk that refuses is logged, not thrown. */
  keep(repository: RepositoryName, manifest: Manifest): Promise<void> {
    return this.#tracked(this.#keep(repository, manifest))
  }

  async #keep(repository: RepositoryName, manifest: Manifest): Promise<void> {
    const { local, log } = this.#parts
    const { digest } = manifest.descriptor
    const key = `${repository}@${digest}`
    try {
      await local.putManifest(repository, manifest)
      this.#unkept.delete(key)
    } catch (error) {
      logTrouble(log, { repository, digest, error }, 'a manifest cannot be kept: it is served from memory')
      this.#unkept.set(key, { ...manifest, provenance: { verdict: 'hit' } })
      return
    }
    const tags = this.#pendingTags.get(key)
    this.#pendingTags.delete(key)
    for (const tag of tags ?? []) {
      if (this.#targets.get(keyOf(repository, tag)) === digest) await this.#putTag(repository, tag, digest)
    }
  }

  /** Points the tag at the digest in the store, now or as soon as its manifest is there: a tag never dangles. */
  point(repository: RepositoryName, tag: Tag, digest: Digest, signal: AbortSignal): Promise<void> {
    return this.#tracked(this.#point(repository, tag, digest, signal))
  }

  async #point(repository: RepositoryName, tag: Tag, digest: Digest, signal: AbortSignal): Promise<void> {
    const { local, log } = this.#parts
    this.#targets.set(keyOf(repository, tag), digest)
    const stored = await patiently(() => local.describeManifest(repository, tag, signal), log, { repository, tag })
    if (stored?.descriptor.digest === digest) return
    const here = await patiently(() => local.describeManifest(repository, digest, signal), log, { repository, digest })
    if (here !== undefined) return this.#putTag(repository, tag, digest)
    const key = `${repository}@${digest}`
    const tags = this.#pendingTags.get(key) ?? new Set()
    this.#pendingTags.set(key, tags.add(tag))
  }

  /** Takes the tag out of the store. */
  unpoint(repository: RepositoryName, tag: Tag): Promise<void> {
    return this.#tracked(this.#unpoint(repository, tag))
  }

  async #unpoint(repository: RepositoryName, tag: Tag): Promise<void> {
    const { local, log } = this.#parts
    this.#targets.delete(keyOf(repository, tag))
    try {
      await local.removeTag(repository, tag)
    } catch (error) {
      log.error({ repository, tag, error }, 'a tag that upstream has removed cannot be removed')
    }
  }

  /** Resolves when nothing is being written: after the stop the store is left alone. */
  async settled(): Promise<void> {
    while (this.#writes.size > 0) await Promise.allSettled(this.#writes)
  }

  async #tracked(write: Promise<void>): Promise<void> {
    this.#writes.add(write)
    try {
      await write
    } finally {
      this.#writes.delete(write)
    }
  }

  async #putTag(repository: RepositoryName, tag: Tag, digest: Digest): Promise<void> {
    const { local, log } = this.#parts
    try {
      await local.putTag(repository, tag, digest)
    } catch (error) {
      logTrouble(log, { repository, tag, digest, error }, 'a tag cannot be kept')
    }
  }
}
