// Referrers of mirrored images: upstream's list, passed on as it is and remembered for the time when upstream is away.
import { LRUCache } from 'lru-cache'
import { type Referrers, type TransferSource, UpstreamFailure } from '../content.ts'
import { waitFor } from '../lib/abort.ts'
import { SingleFlight } from '../lib/single-flight.ts'
import type { Digest } from '../oci/digest.ts'
import { isTag, type Reference, type RepositoryName } from '../oci/names.ts'
import type { Log } from '../telemetry/log.ts'

const memoryBytes = 32 * 1024 * 1024

export interface MirroredReferrersParts {
  readonly source: TransferSource
  readonly log: Log
  readonly stop: AbortSignal
}

export class MirroredReferrers {
  readonly #parts: MirroredReferrersParts
  readonly #questions = new SingleFlight<string, Referrers | undefined>()
  readonly #seen = new LRUCache<string, Referrers>({ maxSize: memoryBytes, sizeCalculation: ({ bytes }) => bytes.length + 500 })

  constructor(parts: MirroredReferrersParts) {
    this.#parts = parts
  }

  /**
   * Never throws UpstreamFailure: clients ask for referrers beside the image itself, and newer ones fail the whole pull on an
   * error but go on after "none", so trouble must not take an image down that is here.
   */
  async list(
    repository: RepositoryName,
    subject: Digest,
    artifactType: string | undefined,
    signal: AbortSignal,
  ): Promise<Referrers | undefined> {
    const key = `${repository}@${subject}?${artifactType ?? ''}`
    try {
      const ask = () => this.#parts.source.listReferrers(repository, subject, artifactType, this.#parts.stop)
      const found = await waitFor(this.#questions.run(key, ask), signal)
      if (found === undefined) this.#seen.delete(key)
      else this.#seen.set(key, { ...found, provenance: { verdict: 'stale', cause: 'upstream cannot be asked' } })
      return found
    } catch (error) {
      if (!(error instanceof UpstreamFailure)) throw error
      this.#parts.log.debug({ repository, subject, error }, 'referrers could not be asked for')
      return this.#seen.get(key)
    }
  }
}

/**
 * `sha256-<hex>`: where clients look for referrers when a registry has no API for them (distribution-spec, "Referrers Tag Schema").
 * Like the API, it must answer "none" rather than fail an image that is here.
 */
export function isReferrersTag(reference: Reference): boolean {
  return isTag(reference) && /^sha(?:256|384|512)-[a-f0-9]{64,}/.test(reference)
}
