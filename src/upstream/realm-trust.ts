// Which token servers may see the credentials that were configured for a registry. Pure.
// A registry names its token server itself, so one that is compromised or misconfigured could name anybody's.
import { isIP } from 'node:net'
import { getDomain } from 'tldts'

/**
 * The realm must be on the registry's own host (any port), below the same registrable domain, or listed in `trusted`, whose
 * entries are a host, `host:port`, or the beginning of a URL. Credentials never go from https to http, not even where listed.
 */
export function mayReceiveCredentials(realm: URL, registry: URL, trusted: readonly string[]): boolean {
  if (realm.protocol !== 'https:' && (realm.protocol !== 'http:' || registry.protocol === 'https:')) return false
  return realm.hostname === registry.hostname || isSameDomain(realm, registry) || trusted.some((entry) => isListed(realm, entry))
}

function isSameDomain(realm: URL, registry: URL): boolean {
  if (isAddress(realm.hostname) || isAddress(registry.hostname)) return false
  const domain = registrableDomain(registry)
  return domain !== null && domain === registrableDomain(realm)
}

/** Private suffixes count (`example.azurecr.io`): two customers of one provider are strangers. */
function registrableDomain(url: URL): string | null {
  return getDomain(url.hostname, { allowPrivateDomains: true })
}

function isAddress(hostname: string): boolean {
  return isIP(hostname.replace(/^\[(.*)\]$/, '$1')) !== 0
}

function isListed(realm: URL, entry: string): boolean {
  const text = entry.trim()
  if (text === '') return false
  if (!text.includes('://')) {
    const host = text.toLowerCase()
    return host === realm.hostname || host === realm.host
  }
  const listed = URL.parse(text)
  if (listed === null || listed.origin !== realm.origin) return false
  const folder = listed.pathname.replace(/\/+$/, '')
  return realm.pathname === folder || realm.pathname.startsWith(`${folder}/`)
}
