// What does a tag point at now? Decides between what is remembered and asking upstream: by HEAD, one question at a time per tag.
import type { ManifestDescription, Provenance } from '../content.ts'
import { UpstreamFailure, type UpstreamFailureKind } from '../content.ts'
import { waitFor } from '../lib/abort.ts'
import type { Clock } from '../lib/clock.ts'
import type { Descriptor } from '../oci/descriptor.ts'
import type { RepositoryName, Tag } from '../oci/names.ts'
import { type FreshnessPolicy, judge } from './freshness.ts'
import { type MirroredManifests, type MirroredManifestsParts } from './manifests.ts'
import { patiently } from './local-trouble.ts'
import { keyOf, TagMemory } from './tag-memory.ts'

export interface TagPolicy extends FreshnessPolicy {
  /** How long a pull waits for upstream's answer when the store has one. */
  readonly revalidateTimeoutMs: number
}

export interface TagParts extends MirroredManifestsParts {
  readonly manifests: MirroredManifests
  readonly policy: TagPolicy
  readonly clock: Clock
}

interface Question {
  readonly askedAt: number
  /** `undefined`: upstream has no such tag. */
  readonly answer: Promise<Descriptor | undefined>
}

/** What is known of a tag without asking: its manifest is here. */
interface Known {
  readonly descriptor: Descriptor
  readonly confirmedAt: number | undefined
}

export class Tags {
  readonly #parts: TagParts
  readonly #memory = new TagMemory()
  readonly #questions = new Map<string, Question>()

  constructor(parts: TagParts) {
    this.#parts = parts
  }

  /** `undefined`: upstream has no such tag. Throws UpstreamFailure when it can't be asked and nothing may stand in. */
  async resolve(repository: RepositoryName, tag: Tag, signal: AbortSignal): Promise<ManifestDescription | undefined> {
    const known = await this.#known(repository, tag, signal)
    if (known !== undefined && this.#judge(known, 'not-asked') === 'serve') return described(known.descriptor, { verdict: 'hit' })
    const question = this.#ask(repository, tag)
    try {
      const descriptor = await this.#wait(question, known !== undefined, signal)
      if (descriptor === undefined) return undefined
      return described(descriptor, { verdict: known?.descriptor.digest === descriptor.digest ? 'revalidated' : 'miss' })
    } catch (error) {
      const stale = known === undefined ? undefined : this.#standIn(known, error)
      if (stale === undefined) throw error
      return stale
    }
  }

  /** What may stand in for a tag after upstream failed on its way to the manifest; `undefined`: nothing. */
  async standIn(repository: RepositoryName, tag: Tag, failure: unknown, signal: AbortSignal): Promise<ManifestDescription | undefined> {
    const stored = await this.#stored(repository, tag, signal)
    return stored === undefined ? undefined : this.#standIn({ descriptor: stored, confirmedAt: undefined }, failure)
  }

  #standIn(known: Known, failure: unknown): ManifestDescription | undefined {
    if (!(failure instanceof UpstreamFailure)) return undefined
    if (this.#judge(known, failure.kind === 'denied' ? 'denied' : 'in-trouble') !== 'serve-stale') return undefined
    const age = this.#ageSeconds(known)
    return described(known.descriptor, {
      verdict: 'stale',
      cause: causeOf[failure.kind],
      ...(age === undefined ? {} : { ageSeconds: age }),
    })
  }

  /** The last confirmed answer if its manifest is here, else what the store's tag points at. */
  async #known(repository: RepositoryName, tag: Tag, signal: AbortSignal): Promise<Known | undefined> {
    const fact = this.#memory.recall(repository, tag)
    const isFresh = fact !== undefined && this.#judge(fact, 'not-asked') === 'serve'
    if (isFresh) return fact
    if (fact !== undefined && (await this.#parts.manifests.local(repository, fact.descriptor.digest, signal)) !== undefined) return fact
    const stored = await this.#stored(repository, tag, signal)
    return stored === undefined ? undefined : { descriptor: stored, confirmedAt: undefined }
  }

  async #stored(repository: RepositoryName, tag: Tag, signal: AbortSignal): Promise<Descriptor | undefined> {
    const { local, log } = this.#parts
    return (await patiently(() => local.describeManifest(repository, tag, signal), log, { repository, tag }))?.descriptor
  }

  /** Joins the question that is under way for this tag, or asks. The question outlives those who wait for it. */
  #ask(repository: RepositoryName, tag: Tag): Question {
    const key = keyOf(repository, tag)
    const running = this.#questions.get(key)
    if (running !== undefined) return running
    const answer = this.#askUpstream(repository, tag).finally(() => this.#questions.delete(key))
    // Everybody may have stopped waiting by the time it fails.
    answer.catch((error: unknown) => this.#parts.log.debug({ repository, tag, error }, 'a tag could not be revalidated'))
    const question = { askedAt: this.#parts.clock.now(), answer }
    this.#questions.set(key, question)
    return question
  }

  async #askUpstream(repository: RepositoryName, tag: Tag): Promise<Descriptor | undefined> {
    const { source, manifests, clock, stop } = this.#parts
    const found = await source.describeManifest(repository, tag, stop)
    if (found === undefined) {
      this.#memory.forget(repository, tag)
      return undefined
    }
    const { descriptor } = found
    // Where upstream refuses HEAD, the manifest came along.
    if ('bytes' in found) await manifests.keep(repository, found as Parameters<typeof manifests.keep>[1])
    this.#memory.remember(repository, tag, { descriptor, confirmedAt: clock.now() })
    const stored = await this.#stored(repository, tag, stop)
    if (stored?.digest !== descriptor.digest) await manifests.point(repository, tag, descriptor.digest, stop)
    return descriptor
  }

  /** With a stand-in at hand nobody waits longer than the time-out, counted from when the question was asked. */
  async #wait(question: Question, hasStandIn: boolean, signal: AbortSignal): Promise<Descriptor | undefined> {
    if (!hasStandIn) return waitFor(question.answer, signal)
    const { clock, policy } = this.#parts
    const left = Math.max(0, question.askedAt + policy.revalidateTimeoutMs - clock.now())
    const patience = new AbortController()
    const timeout = clock.sleep(left, patience.signal).then(
      () => Promise.reject(new UpstreamFailure('timeout', `no answer within ${policy.revalidateTimeoutMs} ms`)),
      () => new Promise<never>(() => {}),
    )
    try {
      return await waitFor(Promise.race([question.answer, timeout]), signal)
    } finally {
      patience.abort()
    }
  }

  #judge(known: Known, upstream: 'not-asked' | 'in-trouble' | 'denied') {
    return judge({ ageSeconds: this.#ageSeconds(known), upstream }, this.#parts.policy)
  }

  #ageSeconds({ confirmedAt }: Known): number | undefined {
    return confirmedAt === undefined ? undefined : Math.floor((this.#parts.clock.now() - confirmedAt) / 1000)
  }
}

function described(descriptor: Descriptor, provenance: Provenance): ManifestDescription {
  return { descriptor, provenance }
}

const causeOf: Readonly<Record<UpstreamFailureKind, string>> = {
  unreachable: 'upstream is unreachable',
  timeout: 'upstream did not answer in time',
  unavailable: 'upstream is unavailable',
  'rate-limited': 'upstream limits our rate',
  denied: 'upstream denied access',
  broken: 'upstream answered nonsense',
}
