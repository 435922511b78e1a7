// Conditional requests against content whose entity tag is its digest (RFC 9110, section 13).
import type { IncomingHttpHeaders } from 'node:http'
import type { Digest } from '../oci/digest.ts'

export function etagOf(digest: Digest): string {
  return `"${digest}"`
}

/** If-None-Match: lists, `*`, `W/` and tags without quotes are understood; the comparison is weak, as RFC 9110 asks. */
export function isNotModified(headers: IncomingHttpHeaders, digest: Digest): boolean {
  const header = headers['if-none-match']
  if (header === undefined) return false
  return header.split(',').some((part) => {
    const tag = part.trim()
    return tag === '*' || withoutQuotes(tag.startsWith('W/') ? tag.slice(2) : tag) === digest
  })
}

/** Whether a Range counts: always without If-Range, else only if that is our tag, compared strongly. A date never is. */
export function isRangeValid(headers: IncomingHttpHeaders, digest: Digest): boolean {
  const header = headers['if-range']
  return header === undefined || withoutQuotes(String(header).trim()) === digest
}

function withoutQuotes(tag: string): string {
  return tag.length >= 2 && tag.startsWith('"') && tag.endsWith('"') ? tag.slice(1, -1) : tag
}
