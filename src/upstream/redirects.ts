// Where a redirect leads, and what may be sent there. Pure. Locations are signed and short-lived: each is used once, by the request
// that was given it.
import { UpstreamFailure } from '../content.ts'
import { printableUrl } from './failures.ts'

export const maxRedirects = 5

export function isRedirect(status: number): boolean {
  return status === 301 || status === 302 || status === 303 || status === 307 || status === 308
}

/** The absolute target. Throws UpstreamFailure 'broken' for a Location that is missing, no URL, or not HTTP. */
export function redirectTarget(from: URL, location: string | undefined): URL {
  const target = location === undefined || location === '' ? null : URL.parse(location, from.href)
  if (target !== null && (target.protocol === 'https:' || target.protocol === 'http:')) return target
  throw new UpstreamFailure('broken', `${printableUrl(from)}: redirected without a usable Location`)
}

/** The headers for `to`: Authorization goes only to the scheme, host and port that it was meant for. */
export function headersFor(to: URL, from: URL, headers: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  if (to.origin === from.origin) return headers
  return Object.fromEntries(Object.entries(headers).filter(([name]) => name !== 'authorization'))
}
