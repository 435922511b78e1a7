// `sha256-<hex>`, of longer digests the first 64 digits: where clients without the referrers API look for the referrers of a digest (distribution-spec, "Referrers Tag
// Schema"). Where nobody pushed such a tag, it is made up from the index of referrers, so that these clients see what the others see.
import { LRUCache } from 'lru-cache'
import type { Manifest } from '../content.ts'
import { type Digest, isDigest, isDigestAlgorithm } from '../oci/digest.ts'
import type { RepositoryName, Tag } from '../oci/names.ts'
import type { ReferrersIndex } from './referrers.ts'

const pattern = /^([a-z0-9]+)-([a-f0-9]{64})$/
const maxBytes = 16 * 1024 * 1024
/** The smallest index: one without entries. */
const emptyIndexBytes = 100

export class ReferrersTags {
  readonly #index: ReferrersIndex
  /** Clients ask by the tag, then by the digest that they were told. */
  readonly #made = new LRUCache<string, Manifest>({ maxSize: maxBytes, sizeCalculation: ({ bytes }) => bytes.length + 500 })

  constructor(index: ReferrersIndex) {
    this.#index = index
  }

  /** `undefined`: not such a tag, or there are no referrers. */
  async make(repository: RepositoryName, tag: Tag): Promise<Manifest | undefined> {
    const subject = await this.#subjectOf(repository, tag)
    if (subject === undefined) return undefined
    const index = await this.#index.list(repository, subject, undefined)
    if (index.descriptor.size < emptyIndexBytes) return undefined
    this.#made.set(`${repository}@${index.descriptor.digest}`, index)
    return index
  }

  async #subjectOf(repository: RepositoryName, tag: Tag): Promise<Digest | undefined> {
    const [, algorithm = '', hex = ''] = pattern.exec(tag) ?? []
    if (!isDigestAlgorithm(algorithm)) return undefined
    const whole = `${algorithm}:${hex}`
    if (isDigest(whole)) return whole
    const [subject, ...others] = await this.#index.subjectsAt(repository, algorithm, hex)
    return others.length === 0 ? subject : undefined
  }

  /** One that was made lately, by its own digest. */
  made(repository: RepositoryName, digest: Digest): Manifest | undefined {
    return this.#made.get(`${repository}@${digest}`)
  }
}
