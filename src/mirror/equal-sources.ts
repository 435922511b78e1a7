// Equal sources of one registry's content, mirrors first and the registry itself last, as one source. A mirror may lack things, fail,
// or be out of quota: the next one is asked then. Only the origin can say that something does not exist.
import { LRUCache } from 'lru-cache'
import { type BlobTransfer, type Standing, type TransferRange, type TransferSource, UpstreamFailure } from '../content.ts'
import type { Clock } from '../lib/clock.ts'
import type { Digest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/names.ts'
import type { Log } from '../telemetry/log.ts'
import { type ForwardedQuestion, ForwardingSource, type PutQuestion } from './forwarding-source.ts'
import { penaltyMs, type RankFacts, ranked } from './source-ranking.ts'
import { watchedTransfer } from './watched-transfer.ts'

export interface EqualSourcesOptions {
  /** In order of preference; the last one is the origin. At least one. */
  readonly sources: readonly { readonly name: string; readonly source: TransferSource }[]
  readonly clock: Clock
  readonly log: Log
}

interface Member {
  readonly name: string
  readonly source: TransferSource
  readonly isOrigin: boolean
  readonly index: number
  failures: number
  /** Asked after the others until then. */
  penalisedUntil: number
}

/** Blobs whose trouble is remembered, and for how long: the resumptions and the next pulls after a bad transfer. */
const mostTroubledBlobs = 10_000
const troubleHoldsMs = 10 * 60_000

export class EqualSources extends ForwardingSource {
  readonly #members: readonly Member[]
  readonly #clock: Clock
  readonly #log: Log
  /** Member and digest → transfers that brought no good blob, and when the last one was. */
  readonly #troubles = new LRUCache<string, { readonly count: number; readonly at: number }>({ max: mostTroubledBlobs })

  constructor({ sources, clock, log }: EqualSourcesOptions) {
    super()
    const last = sources.length - 1
    this.#members = sources.map((each, index) => ({ ...each, index, isOrigin: index === last, failures: 0, penalisedUntil: 0 }))
    this.#clock = clock
    this.#log = log
  }

  /** A transfer that breaks makes its source the last choice for this blob, so that its resumption begins elsewhere. */
  override openBlob(
    repository: RepositoryName,
    digest: Digest,
    range: TransferRange | undefined,
    signal: AbortSignal,
  ): Promise<BlobTransfer | undefined> {
    return this.#ask({ repository, blob: digest, costsQuota: false, signal }, async (member) => {
      const transfer = await member.source.openBlob(repository, digest, range, signal)
      return transfer && watchedTransfer(transfer, (how) => this.#troubled(member, digest, how))
    })
  }

  /** Of the source that would be asked first. */
  standing(repository: RepositoryName): Standing {
    const [first] = this.#ranked({ repository, costsQuota: true })
    return first?.source.standing(repository) ?? { name: repository, pausedUntil: 0, pullsLeft: undefined }
  }

  protected forward<T>(question: ForwardedQuestion, put: PutQuestion<T>): Promise<T | undefined> {
    return this.#ask(question, ({ source }) => put(source, question.repository))
  }

  /** One after the other, until one has it or the origin says that there is none. Throws the origin's failure when all fail. */
  async #ask<T>(question: Question, ask: (member: Member) => Promise<T | undefined>): Promise<T | undefined> {
    let originsFailure: unknown
    for (const member of this.#ranked(question)) {
      try {
        const answer = await ask(member)
        member.failures = 0
        member.penalisedUntil = 0
        if (answer !== undefined || member.isOrigin) return answer
      } catch (error) {
        question.signal.throwIfAborted()
        if (!(error instanceof UpstreamFailure)) throw error
        this.#failed(member, error)
        if (member.isOrigin) originsFailure = error
      }
    }
    throw originsFailure
  }

  #ranked({ repository, blob, costsQuota }: Pick<Question, 'repository' | 'blob' | 'costsQuota'>): readonly Member[] {
    const now = this.#clock.now()
    return ranked(
      this.#members,
      (member): RankFacts => ({
        isPenalised: member.penalisedUntil > now,
        isOutOfQuota: costsQuota && isOutOfQuota(member.source.standing(repository), now),
        troubles: blob === undefined ? 0 : this.#troublesOf(member, blob, now),
      }),
    )
  }

  #failed(member: Member, failure: UpstreamFailure): void {
    const ms = penaltyMs(failure, member.failures)
    if (ms > 0) member.failures += 1
    member.penalisedUntil = Math.max(member.penalisedUntil, this.#clock.now() + ms)
    const fields = { source: member.name, kind: failure.kind, penaltyMs: ms, error: failure }
    this.#log.debug(fields, 'a source failed: asking the next one')
  }

  #troublesOf(member: Member, digest: Digest, now: number): number {
    const trouble = this.#troubles.get(troubleKey(member, digest))
    return trouble === undefined || trouble.at + troubleHoldsMs < now ? 0 : trouble.count
  }

  /**
   * Also after a transfer that went well: whoever asks again for a blob that he was given whole has found it wrong, and a right one
   * is in the store and never asked for again.
   */
  #troubled(member: Member, digest: Digest, how: string): void {
    const at = this.#clock.now()
    this.#troubles.set(troubleKey(member, digest), { count: this.#troublesOf(member, digest, at) + 1, at })
    if (how !== 'whole') this.#log.debug({ source: member.name, digest, how }, 'a source brought no whole blob')
  }
}

type Question = Omit<ForwardedQuestion, 'subject'>

function isOutOfQuota({ pausedUntil, pullsLeft }: Standing, now: number): boolean {
  return pausedUntil > now || pullsLeft === 0
}

function troubleKey(member: Member, digest: Digest): string {
  return `${member.index} ${digest}`
}
