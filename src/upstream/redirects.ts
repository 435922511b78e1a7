// Where a redirect leads, and what may be sent there. Pure. Locations are signed and short-lived: each is used once, by the request
// that was given it.
import { BlockList, isIP } from 'node:net'
import { UpstreamFailure } from '../content.ts'
import { printableUrl } from './failures.ts'

export const maxRedirects = 5

export function isRedirect(status: number): boolean {
  return status === 301 || status === 302 || status === 303 || status === 307 || status === 308
}

/** The absolute target. Throws UpstreamFailure 'broken' for a Location that is missing, no URL, or not HTTP. */
export function redirectTarget(from: URL, location: string | undefined): URL {
  const target = location === undefined || location === '' ? null : URL.parse(location, from.href)
  if (target !== null && leadsInside(target, from)) {
    throw new UpstreamFailure(
      'broken',
      `${printableUrl(from)}: redirected to ${target.host}, which is an address of this machine or its link`,
    )
  }
  if (target !== null && (target.protocol === 'https:' || target.protocol === 'http:')) return target
  throw new UpstreamFailure('broken', `${printableUrl(from)}: redirected without a usable Location`)
}

/**
 * Whether a server elsewhere sends us to our own loopback or link-local addresses (which cloud machines have their keys at). Private
 * networks are not asked about: registries of one's own redirect to storage there.
 */
export function leadsInside(target: URL, from: URL): boolean {
  return isInside(target.hostname) && !isInside(from.hostname)
}

function isInside(hostname: string): boolean {
  const host = hostname.replace(/^\[(.*)\]$/, '$1').replace(/\.$/, '')
  if (host === 'localhost' || host.endsWith('.localhost')) return true
  const family = isIP(host)
  return family !== 0 && inside.check(host, family === 6 ? 'ipv6' : 'ipv4')
}

const inside = new BlockList()
inside.addSubnet('127.0.0.0', 8)
inside.addSubnet('0.0.0.0', 8)
inside.addSubnet('169.254.0.0', 16)
inside.addAddress('::1', 'ipv6')
inside.addAddress('::', 'ipv6')
inside.addSubnet('fe80::', 10, 'ipv6')

/** The headers for `to`: Authorization goes only to the scheme, host and port that it was meant for. */
export function headersFor(to: URL, from: URL, headers: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  if (to.origin === from.origin) return headers
  return Object.fromEntries(Object.entries(headers).filter(([name]) => name !== 'authorization'))
}
