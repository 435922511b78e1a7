// What another replica has just been told of a tag need not be asked again: one of them asks upstream, the others take its answer.
import type { SharedFacts } from '../cluster/shared-facts.ts'
import type { ManifestDescription } from '../content.ts'
import type { Clock } from '../lib/clock.ts'
import type { Descriptor } from '../oci/descriptor.ts'
import { isDigest } from '../oci/digest.ts'
import type { RepositoryName, Tag } from '../oci/names.ts'
import { keyOf } from './tag-memory.ts'

/** Milliseconds since 1970 on the clock of whoever asked: replicas' clocks are taken to agree as well as clocks do. */
export interface Confirmation {
  readonly found: ManifestDescription
  /** When upstream was asked. */
  readonly confirmedAt: number
}

export interface SharedConfirmationsParts {
  readonly shared: SharedFacts
  readonly clock: Clock
  /** How long another replica's question is waited for. */
  readonly patienceMs: number
  /** For how long after it was confirmed a tag is given out without a question. */
  readonly ttlMsOf: (repository: RepositoryName, tag: Tag) => number
}

interface Told {
  readonly descriptor: Descriptor
  readonly confirmedAt: number
  readonly answeredAt: number
}

/** At the least: others may wait for the answer, or have asked while it was on its way. */
const leastLifeMs = 10_000

export class SharedConfirmations {
  readonly #parts: SharedConfirmationsParts

  constructor(parts: SharedConfirmationsParts) {
    this.#parts = parts
  }

  /** `ask` is called unless another replica's answer is still good, or came after `askedAt`. Throws what `ask` throws. */
  async ask(
    repository: RepositoryName,
    tag: Tag,
    askedAt: number,
    ask: () => Promise<ManifestDescription | undefined>,
  ): Promise<Confirmation | undefined> {
    const { shared, clock, patienceMs, ttlMsOf } = this.#parts
    const key = `tag ${keyOf(repository, tag)}`
    const ttlMs = ttlMsOf(repository, tag)
    let first: Told | 'not looked' | undefined = 'not looked'
    const outcome = async () => {
      const [value] = await shared.find([key])
      const told = toldIn(value)
      const isNews = first !== 'not looked' && told?.answeredAt !== first?.answeredAt
      if (first === 'not looked') first = told
      if (told === undefined) return undefined
      const isGood = isNews || told.answeredAt >= askedAt || clock.now() - told.confirmedAt < ttlMs
      return isGood ? { told } : undefined
    }
    const work = async () => {
      const found = await ask()
      const told: Told | null = found === undefined ? null : { descriptor: found.descriptor, confirmedAt: askedAt, answeredAt: clock.now() }
      shared.put(key, told, Math.max(leastLifeMs, ttlMs))
      return { found }
    }
    const result = await shared.inTurn<{ readonly told?: Told; readonly found?: ManifestDescription | undefined }>({
      key,
      outcome,
      work,
      patienceMs,
    })
    if (result.told !== undefined) {
      const { descriptor, confirmedAt } = result.told
      return { found: { descriptor, provenance: { verdict: 'revalidated' } }, confirmedAt: Math.min(confirmedAt, clock.now()) }
    }
    return result.found === undefined ? undefined : { found: result.found, confirmedAt: askedAt }
  }
}

function toldIn(value: unknown): Told | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const { descriptor, confirmedAt, answeredAt } = value as Record<string, unknown>
  if (typeof confirmedAt !== 'number' || typeof answeredAt !== 'number' || typeof descriptor !== 'object' || descriptor === null)
    return undefined
  const { mediaType, digest, size } = descriptor as Record<string, unknown>
  if (typeof mediaType !== 'string' || typeof digest !== 'string' || !isDigest(digest) || typeof size !== 'number') return undefined
  return { descriptor: { mediaType, digest, size }, confirmedAt, answeredAt }
}
