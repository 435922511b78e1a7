// What does a tag point at now? Decides, with freshness.ts, between what is remembered, asking upstream, and what may stand in.
import { type Manifest, type ManifestDescription, UpstreamFailure, type UpstreamFailureKind } from '../content.ts'
import type { Descriptor } from '../oci/descriptor.ts'
import type { RepositoryName, Tag } from '../oci/names.ts'
import { canFetch, type FreshnessPolicy, type FreshnessVerdict, judge, type TagFacts, type UpstreamOutcome } from './freshness.ts'
import { patiently } from './local-trouble.ts'
import type { MirroredManifests, MirroredManifestsParts } from './manifests.ts'
import { type Outage, Outages } from './outages.ts'
import { SharedConfirmations } from './shared-confirmations.ts'
import { type TagFact, TagMemory } from './tag-memory.ts'
import { TagPolicies, type TagRule } from './tag-policies.ts'
import type { MirrorFacts } from '../telemetry/facts.ts'
import { TagQuestions } from './tag-questions.ts'
import type { Clock } from '../lib/clock.ts'

export interface TagPolicy extends FreshnessPolicy {
  /** How long a pull waits for upstream's answer when the store has one. */
  readonly revalidateTimeoutMs: number
  /** Exceptions; the first that matches wins. */
  readonly rules: readonly TagRule[]
}

export interface TagParts extends MirroredManifestsParts {
  readonly manifests: MirroredManifests
  readonly policy: TagPolicy
  readonly clock: Clock
  readonly facts: MirrorFacts
}

/** What is known of a tag without asking: its manifest is here, or was confirmed a moment ago. */
interface Known {
  readonly descriptor: Descriptor
  readonly confirmedAt: number | undefined
}

export class Tags {
  readonly #parts: TagParts
  readonly #policies: TagPolicies
  readonly #memory = new TagMemory()
  readonly #outages: Outages
  readonly #questions: TagQuestions

  constructor(parts: TagParts) {
    const { policy, clock, log, facts, shared } = parts
    this.#parts = parts
    this.#policies = new TagPolicies(policy, policy.rules)
    this.#outages = new Outages(clock, log, facts)
    const ttlMsOf = (repository: RepositoryName, tag: Tag) => this.#policies.of(repository, tag).ttlSeconds * 1000
    const confirmations =
      shared === undefined ? undefined : new SharedConfirmations({ shared, clock, patienceMs: policy.revalidateTimeoutMs, ttlMsOf })
    this.#questions = new TagQuestions({ ...parts, ...policy, memory: this.#memory, outages: this.#outages, confirmations })
  }

  /** `undefined`: upstream has no such tag. Throws UpstreamFailure when it can't be asked and nothing may stand in. */
  async resolve(repository: RepositoryName, tag: Tag, signal: AbortSignal): Promise<ManifestDescription | undefined> {
    const known = await this.#known(repository, tag, signal)
    if (known === undefined) return fresh(await this.#questions.ask(repository, tag, false, signal), undefined)
    switch (this.#judge(repository, tag, known, 'not-asked')) {
      case 'serve':
        return { descriptor: known.descriptor, provenance: { verdict: 'hit' } }
      case 'serve-and-revalidate':
        this.#questions.refresh(repository, tag)
        return { descriptor: known.descriptor, provenance: { verdict: 'hit' } }
      case 'serve-stale':
        return this.#stale(repository, tag, known, 'upstream wants to be asked less')
      case 'revalidate':
      case 'refuse':
        return this.#revalidate(repository, tag, known, signal)
    }
  }

  /** The manifest of a tag that may be given out as it is, if both are in memory; `undefined` says nothing. */
  recall(repository: RepositoryName, tag: Tag): Manifest | undefined {
    const fact = this.#memory.recall(repository, tag)
    if (fact === undefined || this.#judge(repository, tag, fact, 'not-asked') !== 'serve') return undefined
    return this.#parts.manifests.recall(repository, fact.descriptor.digest)
  }

  /** What may stand in for a tag after upstream failed on its way to the manifest; `undefined`: nothing. */
  async standIn(repository: RepositoryName, tag: Tag, failure: unknown, signal: AbortSignal): Promise<ManifestDescription | undefined> {
    const stored = await this.stored(repository, tag, signal)
    return stored === undefined ? undefined : this.#afterFailure(repository, tag, { descriptor: stored, confirmedAt: undefined }, failure)
  }

  /** Whether something is here that the tag pointed at, at one time or another. */
  async hasStandIn(repository: RepositoryName, tag: Tag, signal: AbortSignal): Promise<boolean> {
    return (
      (await this.#confirmedAndHere(repository, tag, signal)) !== undefined || (await this.stored(repository, tag, signal)) !== undefined
    )
  }

  /** Upstream's answer of now, which is remembered. `undefined`: upstream has no such tag. Throws UpstreamFailure. */
  async confirm(repository: RepositoryName, tag: Tag, signal: AbortSignal): Promise<Descriptor | undefined> {
    return this.#questions.ask(repository, tag, false, signal)
  }

  /** Of upstreams, right now. */
  outages(): Outage[] {
    return this.#outages.running()
  }

  /** What the tag means now, by GET. Throws UpstreamFailure. */
  fetch(repository: RepositoryName, tag: Tag, signal: AbortSignal): Promise<Manifest | undefined> {
    return this.#questions.fetch(repository, tag, signal)
  }

  async #revalidate(repository: RepositoryName, tag: Tag, known: Known, signal: AbortSignal): Promise<ManifestDescription | undefined> {
    let descriptor: Descriptor | undefined
    try {
      descriptor = await this.#questions.ask(repository, tag, true, signal)
    } catch (error) {
      const stale = await this.#afterFailure(repository, tag, known, error)
      if (stale === undefined) throw error
      return stale
    }
    if (descriptor !== undefined) {
      const isOutOfReach = descriptor.digest !== known.descriptor.digest && !(await this.#canHave(repository, descriptor, signal))
      return isOutOfReach ? this.#stale(repository, tag, known, causeOf['rate-limited']) : fresh(descriptor, known)
    }
    if (this.#judge(repository, tag, known, 'deleted') !== 'refuse')
      return this.#stale(repository, tag, known, 'upstream has no such tag any more')
    // Else the next outage would bring it back to life. Its digest stays.
    await this.#parts.manifests.unpoint(repository, tag)
    return undefined
  }

  async #afterFailure(repository: RepositoryName, tag: Tag, known: Known, failure: unknown): Promise<ManifestDescription | undefined> {
    if (!(failure instanceof UpstreamFailure)) return undefined
    const outcome = failure.kind === 'denied' ? 'denied' : 'in-trouble'
    if (this.#judge(repository, tag, known, outcome) === 'refuse') return undefined
    return this.#stale(repository, tag, known, causeOf[failure.kind])
  }

  async #stale(repository: RepositoryName, tag: Tag, known: Known, cause: string): Promise<ManifestDescription> {
    const { local, source, clock, facts } = this.#parts
    facts.stoodIn(cause)
    this.#outages.stoodIn(source.standing(repository).name)
    // What this process did not see confirmed was confirmed at the latest when the store last wrote it.
    const confirmedAt = known.confirmedAt ?? (await local.tagChangedAt(repository, tag).catch(() => undefined))
    const age = confirmedAt === undefined ? {} : { ageSeconds: Math.max(0, Math.floor((clock.now() - confirmedAt) / 1000)) }
    return { descriptor: known.descriptor, provenance: { verdict: 'stale', cause, ...age } }
  }

  /** The last confirmed answer if its manifest is here, else what the store's tag points at, else an answer that is good as it is. */
  async #known(repository: RepositoryName, tag: Tag, signal: AbortSignal): Promise<Known | undefined> {
    const here = await this.#confirmedAndHere(repository, tag, signal)
    if (here !== undefined) return here
    const stored = await this.stored(repository, tag, signal)
    if (stored !== undefined) return { descriptor: stored, confirmedAt: undefined }
    const fact = this.#memory.recall(repository, tag)
    return fact !== undefined && this.#judge(repository, tag, fact, 'not-asked') === 'serve' ? fact : undefined
  }

  /** Whether the manifest is here, or upstream can be expected to give it. */
  async #canHave(repository: RepositoryName, { digest }: Descriptor, signal: AbortSignal): Promise<boolean> {
    return canFetch(this.#standing(repository)) || (await this.#parts.manifests.local(repository, digest, signal)) !== undefined
  }

  #standing(repository: RepositoryName): Pick<TagFacts, 'isPaused' | 'pullsLeft'> {
    const { pausedUntil, pullsLeft } = this.#parts.source.standing(repository)
    return { isPaused: pausedUntil > this.#parts.clock.now(), pullsLeft }
  }

  async #confirmedAndHere(repository: RepositoryName, tag: Tag, signal: AbortSignal): Promise<TagFact | undefined> {
    const fact = this.#memory.recall(repository, tag)
    if (fact === undefined) return undefined
    return (await this.#parts.manifests.local(repository, fact.descriptor.digest, signal)) === undefined ? undefined : fact
  }

  /** What the store's tag points at, whatever upstream says. */
  async stored(repository: RepositoryName, tag: Tag, signal: AbortSignal): Promise<Descriptor | undefined> {
    const { local, log } = this.#parts
    return (await patiently(() => local.describeManifest(repository, tag, signal), log, { repository, tag }))?.descriptor
  }

  #judge(repository: RepositoryName, tag: Tag, { confirmedAt }: Known, upstream: UpstreamOutcome): FreshnessVerdict {
    const ageSeconds = confirmedAt === undefined ? undefined : (this.#parts.clock.now() - confirmedAt) / 1000
    return judge({ ageSeconds, upstream, ...this.#standing(repository) }, this.#policies.of(repository, tag))
  }
}

function fresh(descriptor: Descriptor | undefined, before: Known | undefined): ManifestDescription | undefined {
  if (descriptor === undefined) return undefined
  return { descriptor, provenance: { verdict: before?.descriptor.digest === descriptor.digest ? 'revalidated' : 'miss' } }
}

/** Seen by clients, so it names no host. */
const causeOf: Readonly<Record<UpstreamFailureKind, string>> = {
  unreachable: 'upstream is unreachable',
  timeout: 'upstream did not answer in time',
  unavailable: 'upstream is unavailable',
  'rate-limited': 'upstream limits our rate',
  denied: 'upstream denied access',
  'login-refused': 'upstream refused our credentials',
  broken: 'upstream answered nonsense',
}
