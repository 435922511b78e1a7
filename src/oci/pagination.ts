// Pages of sorted names: `n` and `last` of tags/list and _catalog, and the Link to the next page (distribution-spec, "Listing Tags").
import { RegistryError } from './errors.ts'

export interface Page {
  /** At most so many entries; `undefined`: the server decides. */
  readonly n: number | undefined
  /** Entries after this one, in byte order; the entry itself need not exist. */
  readonly last: string | undefined
}

export interface PageOf<T> {
  readonly items: readonly T[]
  /** Whether something follows `items`. */
  readonly more: boolean
}

/** Throws RegistryError PAGINATION_NUMBER_INVALID for an `n` that is not a whole number of zero or more. */
export function parsePage(query: { readonly n?: string | undefined; readonly last?: string | undefined }): Page {
  const last = query.last === undefined || query.last === '' ? undefined : query.last
  if (query.n === undefined || query.n === '') return { n: undefined, last }
  if (!/^\d{1,15}$/.test(query.n)) {
    throw new RegistryError('PAGINATION_NUMBER_INVALID', 'invalid number of results requested', { detail: { n: query.n.slice(0, 50) } })
  }
  return { n: Number(query.n), last }
}

/** Cuts one page out of `sorted`, whose order is that of `<`. A page that is the whole has the same array. */
export function pageOf<T extends string>(sorted: readonly T[], page: Page, atMost: number): PageOf<T> {
  const n = Math.min(page.n ?? atMost, atMost)
  const { last } = page
  const from = last === undefined ? 0 : firstAfter(sorted, last)
  const items = from === 0 && n >= sorted.length ? sorted : sorted.slice(from, from + n)
  return { items, more: n > 0 && from + n < sorted.length }
}

function firstAfter(sorted: readonly string[], last: string): number {
  let [low, high] = [0, sorted.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((sorted[middle] as string) <= last) low = middle + 1
    else high = middle
  }
  return low
}

/** RFC 8288. `path` is relative to the host, so it holds behind any proxy. `ns` is containerd's name of the registry it means. */
export function formatNextLink(path: string, last: string, n: number, ns?: string): string {
  const query = new URLSearchParams({ last, n: String(n), ...(ns === undefined ? {} : { ns }) })
  return `<${path}?${query.toString()}>; rel="next"`
}

/** The target of `rel="next"` in a Link header, as it stands there; `undefined` when there is none. */
export function parseNextLink(header: string | undefined): string | undefined {
  for (const part of (header ?? '').split(/,(?=\s*<)/)) {
    const match = /^\s*<([^>]*)>(.*)$/.exec(part)
    if (match !== null && /;\s*rel\s*=\s*"?next"?\s*(?:;|$)/i.test(match[2] ?? '')) return match[1]
  }
  return undefined
}
