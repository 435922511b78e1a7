// Manifests of a registry elsewhere. HEAD where it tells enough, because it costs no pull quota; GET is verified before anybody sees it.
import type { Manifest, ManifestDescription, Provenance } from '../content.ts'
import { algorithmOf, type Digest, digestOf, isDigest } from '../oci/digest.ts'
import { maxManifestBytes, parseManifest } from '../oci/manifest.ts'
import { acceptEveryManifest, essenceOf, isManifestType } from '../oci/media-types.ts'
import { isDigestReference, type Reference, type RepositoryName } from '../oci/names.ts'
import type { Answer } from './answers.ts'
import type { Session } from './session.ts'
import { ShortMemory } from './short-memory.ts'

const provenance: Provenance = { verdict: 'miss' }
const refusalOfHeadHoldsMs = 10 * 60_000
const anyRepository = ''
const refusalsOfHead = new Set([400, 405, 501])

export class Manifests {
  readonly #session: Session
  readonly #headRefused: ShortMemory<true>

  constructor(session: Session) {
    this.#session = session
    this.#headRefused = new ShortMemory(session.clock)
  }

  /** A whole Manifest where it took a GET to know. */
  async describe(
    repository: RepositoryName,
    reference: Reference,
    signal: AbortSignal,
  ): Promise<ManifestDescription | Manifest | undefined> {
    if (this.#headRefused.get(anyRepository) === true || this.#headRefused.get(repository) === true)
      return this.find(repository, reference, signal)
    const answer = await this.#session.ask(questionOf('HEAD', repository, reference), signal)
    answer.discard()
    const { status } = answer
    if (status === 404) return undefined
    if (status === 429 || (status >= 500 && status !== 501)) throw answer.failure(this.#session.clock.now())
    if (refusalsOfHead.has(status)) this.#headRefused.set(anyRepository, true, refusalOfHeadHoldsMs)
    const described = describedBy(answer, reference)
    if (described !== undefined) return described
    const found = await this.find(repository, reference, signal)
    // What HEAD was denied and GET was not is no question of rights.
    if (status === 401 || status === 403) this.#headRefused.set(repository, true, refusalOfHeadHoldsMs)
    return found
  }

  async find(repository: RepositoryName, reference: Reference, signal: AbortSignal): Promise<Manifest | undefined> {
    const answer = await this.#session.ask(questionOf('GET', repository, reference), signal)
    if (answer.status !== 200) {
      answer.discard()
      if (answer.status === 404) return undefined
      throw answer.failure(this.#session.clock.now())
    }
    const bytes = await answer.read(maxManifestBytes)
    const { facts } = this.#session
    if (facts !== undefined) facts.manifestBytes.value += bytes.length
    const digest = verifiedDigest(bytes, reference, answer)
    return { descriptor: { mediaType: mediaTypeOf(bytes, answer), digest, size: bytes.length }, bytes, provenance }
  }
}

function questionOf(method: 'GET' | 'HEAD', repository: RepositoryName, reference: Reference) {
  return { method, repository, path: `manifests/${reference}`, headers: { accept: acceptEveryManifest } }
}

/** What a HEAD tells; `undefined` when it is not enough to answer a client with. */
function describedBy(answer: Answer, reference: Reference): ManifestDescription | undefined {
  const mediaType = answer.header('content-type') ?? ''
  const { length: size = 0 } = answer
  const digest = answer.header('docker-content-digest')?.trim() ?? ''
  if (answer.status !== 200 || !isPlausibleLength(answer) || !isManifestType(essenceOf(mediaType))) return undefined
  if (!isDigest(digest) || (isDigestReference(reference) && digest !== reference)) return undefined
  return { descriptor: { mediaType, digest, size }, provenance }
}

/** An encoded length is not the manifest's; 0 is what registries say that do not know. */
function isPlausibleLength({ length = 0, encoding }: Answer): boolean {
  return encoding === undefined && length > 0 && length <= maxManifestBytes
}

/** The digest that was asked for or told, if the bytes have it. Throws UpstreamFailure 'broken'. */
function verifiedDigest(bytes: Uint8Array, reference: Reference, answer: Answer): Digest {
  const told = answer.header('docker-content-digest')?.trim() ?? ''
  if (isDigestReference(reference) && digestOf(bytes, algorithmOf(reference)) !== reference) {
    throw answer.broken('its bytes have another digest than was asked for')
  }
  if (!isDigest(told)) return isDigestReference(reference) ? reference : digestOf(bytes)
  if (digestOf(bytes, algorithmOf(told)) !== told) throw answer.broken('its bytes have another digest than Docker-Content-Digest says')
  return isDigestReference(reference) ? reference : told
}

/** The Content-Type as it came if it is a manifest's, else what the bytes say. Throws UpstreamFailure 'broken' for what is no manifest. */
function mediaTypeOf(bytes: Uint8Array, answer: Answer): string {
  const contentType = answer.header('content-type') ?? ''
  const essence = essenceOf(contentType)
  try {
    // Judged by its shape alone: an error document may be labelled as the manifest that was asked for.
    const parsed = parseManifest(bytes, undefined)
    return isManifestType(essence) ? contentType : parsed.mediaType
  } catch (error) {
    throw answer.broken(`it is no manifest (Content-Type ${JSON.stringify(contentType.slice(0, 100))})`, error)
  }
}
