// Asking upstream what a tag points at: by HEAD, which costs no quota, one question at a time per tag however many wait for it.
// What is learnt goes into the memory and the store, also when nobody waits any more.
import { type MirrorFacts, noMirrorFacts, type QuestionCause, type QuestionOutcome } from '../telemetry/facts.ts'
import pLimit from 'p-limit'
import { type Manifest, type ManifestDescription, UpstreamFailure } from '../content.ts'
import { waitFor } from '../lib/abort.ts'
import type { Clock } from '../lib/clock.ts'
import type { Digest } from '../oci/digest.ts'
import type { Descriptor } from '../oci/descriptor.ts'
import type { RepositoryName, Tag } from '../oci/names.ts'
import { mayWorkInBackground } from './freshness.ts'
import type { MirroredManifests, MirroredManifestsParts } from './manifests.ts'
import type { Outages } from './outages.ts'
import { waitUntil } from './patience.ts'
import type { SharedConfirmations } from './shared-confirmations.ts'
import { keyOf, type TagMemory } from './tag-memory.ts'

const backgroundQuestionsAtOnce = 8
/** A question is asked anew after so many times what a pull waits for it, and after so long at the earliest. */
const patienceFactor = 2
const leastPatienceMs = 1_000

const unanswered = new Promise<never>(() => {})

export interface TagQuestionsParts extends MirroredManifestsParts {
  readonly manifests: MirroredManifests
  readonly memory: TagMemory
  readonly outages: Outages
  /** How long a pull waits for the answer when something can stand in. */
  readonly revalidateTimeoutMs: number
  readonly quotaReserve: number
  readonly clock: Clock
  readonly facts?: MirrorFacts | undefined
  /** What replicas tell each other; `undefined`: there are none. */
  readonly confirmations?: SharedConfirmations | undefined
}

interface Question {
  readonly cause: QuestionCause
  readonly askedAt: number
  /** Asked earlier, and still without an answer. */
  readonly before: Question | undefined
  /** Somebody waits for the answer, or did. */
  isAwaited: boolean
  /** When upstream was asked, by whichever replica; `undefined`: by this one, at `askedAt`. */
  confirmedAt: number | undefined
  /** A later question has been answered: what this one learns is old. */
  isOutdated: boolean
  /** `undefined`: upstream has no such tag. */
  answer: Promise<Descriptor | undefined>
}

export class TagQuestions {
  readonly #parts: TagQuestionsParts
  readonly #running = new Map<string, Question>()
  readonly #patienceMs: number
  /** Tags that wait for their question in the background, or for what follows from it. */
  readonly #refreshing = new Set<string>()
  readonly #backgroundQuestions = pLimit(backgroundQuestionsAtOnce)
  /** One at a time, so that each sees what quota the one before has left. */
  readonly #backgroundFetches = pLimit(1)

  constructor(parts: TagQuestionsParts) {
    this.#parts = parts
    this.#patienceMs = Math.max(patienceFactor * parts.revalidateTimeoutMs, leastPatienceMs)
  }

  /**
   * Joins the question that is under way for this tag, or asks. Throws UpstreamFailure; with a stand-in at hand also `timeout`, when
   * the answer is not there so long after the question was asked.
   */
  ask(repository: RepositoryName, tag: Tag, hasStandIn: boolean, signal: AbortSignal): Promise<Descriptor | undefined> {
    const question = this.#question(repository, tag, hasStandIn ? 'expired' : 'cold')
    question.isAwaited = true
    // Counted from when it was asked: whoever joins a question that hangs need not wait as long again.
    const { clock, revalidateTimeoutMs } = this.#parts
    return hasStandIn ? waitUntil(question.askedAt + revalidateTimeoutMs, question.answer, clock, signal) : waitFor(question.answer, signal)
  }

  /** Asks with nobody waiting, and fetches the manifest if the tag has moved, as far as the quota allows. */
  refresh(repository: RepositoryName, tag: Tag): void {
    const key = keyOf(repository, tag)
    if (this.#refreshing.has(key)) return
    this.#refreshing.add(key)
    this.#refresh(repository, tag)
      .catch((error: unknown) => this.#parts.log.debug({ repository, tag, error }, 'a tag could not be refreshed'))
      .finally(() => this.#refreshing.delete(key))
  }

  async #refresh(repository: RepositoryName, tag: Tag): Promise<void> {
    const { manifests, memory, stop } = this.#parts
    const before = memory.recall(repository, tag)
    // Whether it may is looked at when its turn has come: much may have been learnt of upstream while it waited.
    const asked = await this.#backgroundQuestions(async () => {
      const question = this.#mayWork(repository) ? this.#question(repository, tag, 'background') : undefined
      const found = await question?.answer
      return { at: question?.confirmedAt ?? question?.askedAt ?? 0, found }
    })
    const { found } = asked
    if (found === undefined || memory.recall(repository, tag) !== before) return
    await this.#backgroundFetches(async () => {
      const fetched = this.#mayWork(repository) ? await manifests.fetch(repository, found.digest, stop) : undefined
      if (fetched !== undefined && memory.recall(repository, tag) === before) await this.#remember(repository, tag, fetched, asked.at)
    })
  }

  /** What the tag means now, by GET; for everybody who asks meanwhile, and for the store. */
  async fetch(repository: RepositoryName, tag: Tag, signal: AbortSignal): Promise<Manifest | undefined> {
    const askedAt = this.#parts.clock.now()
    const manifest = await this.#parts.manifests.fetch(repository, tag, signal)
    if (manifest !== undefined) await this.#remember(repository, tag, manifest, askedAt)
    return manifest
  }

  #mayWork(repository: RepositoryName): boolean {
    const { source, clock, quotaReserve } = this.#parts
    const { pausedUntil, pullsLeft } = source.standing(repository)
    return mayWorkInBackground({ isPaused: pausedUntil > clock.now(), pullsLeft }, { quotaReserve })
  }

  #question(repository: RepositoryName, tag: Tag, cause: QuestionCause): Question {
    const key = keyOf(repository, tag)
    const running = this.#running.get(key)
    const { clock, log } = this.#parts
    const now = clock.now()
    // One that hangs must not hide for long that upstream is back; asked anew not at each pull, for that would make each one wait.
    if (running !== undefined && !(cause === 'expired' && now >= running.askedAt + this.#patienceMs)) return running
    const question: Question = {
      cause,
      askedAt: now,
      before: running,
      isAwaited: false,
      confirmedAt: undefined,
      isOutdated: false,
      answer: unanswered,
    }
    question.answer = this.#askUpstream(repository, tag, question).finally(() => {
      if (this.#running.get(key) === question) this.#running.delete(key)
    })
    // Everybody may have stopped waiting by the time it fails.
    question.answer.catch((error: unknown) => log.debug({ repository, tag, error }, 'upstream did not say what a tag points at'))
    this.#running.set(key, question)
    return question
  }

  async #askUpstream(repository: RepositoryName, tag: Tag, question: Question): Promise<Descriptor | undefined> {
    const { source, memory, outages } = this.#parts
    const { name } = source.standing(repository)
    try {
      const found = await this.#confirm(repository, tag, question)
      outages.worked(name)
      for (let older = question.before; older !== undefined; older = older.before) older.isOutdated = true
      if (question.isOutdated) return found?.descriptor
      if (found === undefined) memory.forget(repository, tag)
      else if (question.isAwaited || (await this.#isHere(repository, found))) {
        await this.#learn(repository, tag, found, question.confirmedAt ?? question.askedAt)
      }
      return found?.descriptor
    } catch (error) {
      if (error instanceof UpstreamFailure && error.kind !== 'denied') outages.failed(name, error)
      throw error
    }
  }

  /** By this replica, or another one that has just asked. */
  async #confirm(repository: RepositoryName, tag: Tag, question: Question): Promise<ManifestDescription | undefined> {
    const { confirmations } = this.#parts
    const ask = () => this.#describe(repository, tag, question)
    if (confirmations === undefined) return ask()
    const confirmation = await confirmations.ask(repository, tag, question.askedAt, ask)
    question.confirmedAt = confirmation?.confirmedAt
    return confirmation?.found
  }

  async #describe(repository: RepositoryName, tag: Tag, { cause }: Question): Promise<ManifestDescription | undefined> {
    const { source, memory, facts = noMirrorFacts, stop } = this.#parts
    const before = memory.recall(repository, tag)?.descriptor.digest
    try {
      const found = await source.describeManifest(repository, tag, stop)
      facts.asked(cause, outcomeOf(before, found?.descriptor.digest))
      return found
    } catch (error) {
      facts.asked(cause, 'failed')
      throw error
    }
  }

  /** A tag moves for clients when what it moves to is here, unless they asked: a background question must not make them spend pulls. */
  async #isHere(repository: RepositoryName, found: ManifestDescription): Promise<boolean> {
    const { manifests, stop } = this.#parts
    return 'bytes' in found || (await manifests.local(repository, found.descriptor.digest, stop)) !== undefined
  }

  async #learn(repository: RepositoryName, tag: Tag, found: ManifestDescription, askedAt: number): Promise<void> {
    // Where upstream refuses HEAD, the manifest came along.
    if ('bytes' in found) await this.#parts.manifests.keep(repository, found as Manifest)
    await this.#remember(repository, tag, found, askedAt)
  }

  async #remember(repository: RepositoryName, tag: Tag, { descriptor }: ManifestDescription, askedAt: number): Promise<void> {
    const { manifests, memory, stop } = this.#parts
    memory.remember(repository, tag, { descriptor, confirmedAt: askedAt })
    await manifests.point(repository, tag, descriptor.digest, stop)
  }
}

function outcomeOf(before: Digest | undefined, now: Digest | undefined): QuestionOutcome {
  if (now === undefined) return 'absent'
  return before === undefined ? 'new' : before === now ? 'unchanged' : 'moved'
}
