// What replicas tell each other of their usage indexes, as text and back. It comes from another program, so what is not understood is
// passed over: an index that misses something learns it by use, or from the store.
import { type Digest, isDigest } from '../oci/digest.ts'
import { isTag, parseRepositoryName, type RepositoryName, type Tag } from '../oci/names.ts'
import type { Arrival, Use } from './usage-index.ts'

/** Times are in milliseconds since 1970. */
export type UsageNews =
  | (Arrival & { readonly kind: 'added' })
  | { readonly kind: 'pointed'; readonly repository: RepositoryName; readonly tag: Tag; readonly digest: Digest; readonly at: number }
  | { readonly kind: 'unpointed'; readonly repository: RepositoryName; readonly tag: Tag }
  | { readonly kind: 'dropped'; readonly repository: RepositoryName; readonly digest: Digest; readonly at: number }
  /** Uses were written late: whoever has read up to now reads again from there. */
  | { readonly kind: 'late'; readonly since: number }
  /** More happened while Redis was away than was kept: only the store knows. */
  | { readonly kind: 'lost' }

/** One entry of the stream holds so much text, in characters, unless a single piece of news is longer. */
const mostText = 16_384

/** In their order, as the texts of a few entries. */
export function encodeNews(news: readonly UsageNews[]): { readonly text: string; readonly count: number }[] {
  const entries: { text: string; count: number }[] = []
  let [text, count] = ['', 0]
  for (const each of news) {
    const next = JSON.stringify(each)
    if (count > 0 && text.length + next.length > mostText) {
      entries.push({ text: `[${text}]`, count })
      ;[text, count] = ['', 0]
    }
    text += count === 0 ? next : `,${next}`
    count += 1
  }
  if (count > 0) entries.push({ text: `[${text}]`, count })
  return entries
}

export function decodeNews(text: string): UsageNews[] {
  try {
    const news: unknown = JSON.parse(text)
    return Array.isArray(news) ? news.map(newsOf).filter((each) => each !== undefined) : []
  } catch {
    return []
  }
}

type Fields = Readonly<Record<string, unknown>>

function newsOf(value: unknown): UsageNews | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const fields: Fields = { ...value }
  const { kind, since } = fields
  if (kind === 'lost') return { kind }
  if (kind === 'late') return isTime(since) ? { kind, since } : undefined
  const repository = repositoryOf(fields['repository'])
  return repository === undefined ? undefined : newsIn(repository, fields)
}

function newsIn(repository: RepositoryName, fields: Fields): UsageNews | undefined {
  const { kind, tag, digest, at } = fields
  if (kind === 'unpointed') return isTagText(tag) ? { kind, repository, tag } : undefined
  if (!isDigestText(digest)) return undefined
  if (kind === 'added') return addedOf(repository, digest, fields)
  if (!isTime(at)) return undefined
  if (kind === 'dropped') return { kind, repository, digest, at }
  return kind === 'pointed' && isTagText(tag) ? { kind, repository, tag, digest, at } : undefined
}

function addedOf(repository: RepositoryName, digest: Digest, { size, references, usedAt }: Fields): UsageNews | undefined {
  if (!isTime(size) || !isTime(usedAt)) return undefined
  if (references === undefined) return { kind: 'added', repository, digest, size, references, usedAt }
  if (!Array.isArray(references) || !references.every(isDigestText)) return undefined
  return { kind: 'added', repository, digest, size, references, usedAt }
}

/** By what a use is counted: its digest, and its tag when it has one. */
export function membersOf({ repository, digest, tag }: Use): string[] {
  const byDigest = `${repository}@${digest}`
  return tag === undefined ? [byDigest] : [byDigest, tagMember(repository, tag)]
}

export function tagMember(repository: RepositoryName, tag: Tag): string {
  return `${repository}:${tag}`
}

/** `undefined`: it is none of ours. */
export function usedOf(
  member: string,
):
  | { readonly repository: RepositoryName; readonly digest: Digest }
  | { readonly repository: RepositoryName; readonly tag: Tag }
  | undefined {
  const at = member.indexOf('@')
  const end = at < 0 ? member.lastIndexOf(':') : at
  const [repository, name] = [repositoryOf(member.slice(0, Math.max(0, end))), member.slice(end + 1)]
  if (repository === undefined) return undefined
  if (at < 0) return isTag(name) ? { repository, tag: name } : undefined
  return isDigest(name) ? { repository, digest: name } : undefined
}

function repositoryOf(value: unknown): RepositoryName | undefined {
  try {
    return typeof value === 'string' ? parseRepositoryName(value) : undefined
  } catch {
    return undefined
  }
}

const isTime = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value) && value >= 0
const isTagText = (value: unknown): value is Tag => typeof value === 'string' && isTag(value)
const isDigestText = (value: unknown): value is Digest => typeof value === 'string' && isDigest(value)
