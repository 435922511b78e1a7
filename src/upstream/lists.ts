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

/** `undefined` also where the registry shows by its answer that it knows no referrers. */
export async function listReferrers(
  session: Session,
  wanted: { readonly repository: RepositoryName; readonly subject: Digest; readonly artifactType: string | undefined },
  signal: AbortSignal,
): Promise<Referrers | undefined> {
  const { repository, subject, artifactType } = wanted
  const query = artifactType === undefined ? {} : { artifactType }
  const headers = { accept: mediaTypes.ociIndex }
  const answer = await session.ask({ method: 'GET', repository, path: `referrers/${subject}`, query, headers }, signal)
  if (answer.status !== 200) {
    answer.discard()
    if ([400, 404, 405, 501].includes(answer.status)) return undefined
    throw answer.failure(session.clock.now())
  }
  const bytes = await answer.read(maxManifestBytes)
  // Some registries answer paths that they do not know with a page for people.
  if (!Array.isArray(parseJsonObject(bytes)?.['manifests'])) return undefined
  return { bytes, filtersApplied: answer.header('oci-filters-applied'), provenance: { verdict: 'miss' } }
}

function parseJsonObject(bytes: Uint8Array): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(bytes).toString('utf8'))
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}
