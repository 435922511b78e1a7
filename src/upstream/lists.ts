// Lists of a registry elsewhere: tags and referrers.
import type { Referrers } from '../content.ts'
import type { Digest } from '../oci/digest.ts'
import { maxManifestBytes } from '../oci/manifest.ts'
import { mediaTypes } from '../oci/media-types.ts'
import { isTag, type RepositoryName, type Tag } from '../oci/names.ts'
import { type Page, pageOf, type PageOf, parseNextLink } from '../oci/pagination.ts'
import type { Answer } from './answers.ts'
import type { Session } from './session.ts'

/** Docker Hub answers with all tags at once when `n` is missing; some repositories have tens of thousands. */
const maxTagListBytes = 16 * 1024 * 1024
/** Of all pages together. */
const maxReferrersBytes = 16 * 1024 * 1024

export async function listTags(
  session: Session,
  repository: RepositoryName,
  page: Page,
  signal: AbortSignal,
): Promise<PageOf<Tag> | undefined> {
  const query = { ...(page.n === undefined ? {} : { n: String(page.n) }), ...(page.last === undefined ? {} : { last: page.last }) }
  const answer = await session.ask({ method: 'GET', repository, path: 'tags/list', query, headers: { accept: 'application/json' } }, signal)
  if (answer.status !== 200) {
    answer.discard()
    if (answer.status === 404) return undefined
    throw answer.failure(session.clock.now())
  }
  const tags = parseTagList(await answer.read(maxTagListBytes), answer)
  // Cut here what a registry that ignores n and last sent too much; for one that honours them this changes nothing.
  const cut = pageOf(tags, page, Math.max(tags.length, page.n ?? 0))
  return { items: cut.items, more: cut.more || (page.n !== 0 && parseNextLink(answer.header('link')) !== undefined) }
}

/** In byte order. `tags` may be null or missing where there are none. */
function parseTagList(bytes: Uint8Array, answer: Answer): Tag[] {
  const body = parseJsonObject(bytes)
  const tags = body?.['tags'] ?? []
  if (body === undefined || !Array.isArray(tags)) throw answer.broken('it is no list of tags')
  const names = tags.filter((tag: unknown): tag is Tag => typeof tag === 'string' && isTag(tag))
  return [...new Set(names)].sort()
}

export interface ReferrersQuestion {
  readonly repository: RepositoryName
  readonly subject: Digest
  readonly artifactType: string | undefined
}

/** All pages as one index. `undefined` also where the registry shows by its answer that it knows no referrers. */
export async function listReferrers(session: Session, wanted: ReferrersQuestion, signal: AbortSignal): Promise<Referrers | undefined> {
  const { artifactType } = wanted
  const first = await readReferrers(session, wanted, artifactType === undefined ? {} : { artifactType }, signal)
  if (first?.next === undefined) return first?.referrers
  const manifests = [...first.manifests]
  let [next, bytes]: [string | undefined, number] = [first.next, first.referrers.bytes.length]
  while (next !== undefined) {
    // Where it lies is known; that the answer says it again gives it no power to send us elsewhere.
    const query: Record<string, string> = Object.fromEntries(new URL(next, 'http://upstream/').searchParams)
    const page = await readReferrers(session, wanted, query, signal)
    bytes += page?.referrers.bytes.length ?? 0
    if (page === undefined || page.next === next || bytes > maxReferrersBytes)
      throw first.answer.broken('its pages of referrers do not end')
    manifests.push(...page.manifests)
    next = page.next
  }
  const index = { ...parseJsonObject(first.referrers.bytes), manifests }
  return { ...first.referrers, bytes: Buffer.from(JSON.stringify(index)) }
}

interface ReferrersPage {
  readonly answer: Answer
  readonly referrers: Referrers
  readonly manifests: readonly unknown[]
  /** Of the Link header, as it stands there. */
  readonly next: string | undefined
}

async function readReferrers(
  session: Session,
  { repository, subject }: ReferrersQuestion,
  query: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<ReferrersPage | undefined> {
  const headers = { accept: mediaTypes.ociIndex }
  const answer = await session.ask({ method: 'GET', repository, path: `referrers/${subject}`, query, headers }, signal)
  if (answer.status !== 200) {
    answer.discard()
    if ([400, 404, 405, 501].includes(answer.status)) return undefined
    throw answer.failure(session.clock.now())
  }
  const bytes = await answer.read(maxManifestBytes)
  const manifests = parseJsonObject(bytes)?.['manifests']
  // Some registries answer paths that they do not know with a page for people.
  if (!Array.isArray(manifests)) return undefined
  const referrers: Referrers = { bytes, filtersApplied: answer.header('oci-filters-applied'), provenance: { verdict: 'miss' } }
  return { answer, referrers, manifests, next: parseNextLink(answer.header('link')) }
}

function parseJsonObject(bytes: Uint8Array): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(bytes).toString('utf8'))
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}
