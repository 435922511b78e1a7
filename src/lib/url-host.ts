/** A host or an address as URLs have it: IPv6 in brackets (RFC 3986, section 3.2.2). */
export function urlHost(host: string): string {
  return host.includes(':') ? `[${host}]` : host
}
