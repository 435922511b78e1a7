// What the types of `http` cannot tell: headers that no answer can have, addresses that clients cannot be sent to, ranges that are
// none, and passwords that everybody on the way can read.
import { BlockList, isIP } from 'node:net'
import { isFraming } from '../lib/framing-headers.ts'
import { parseListenTarget } from './listen-target.ts'
import type { Findings } from './problems.ts'
import type { Config } from './schema.ts'
import { privateRanges } from './schema/http.ts'

export function checkHttp({ http, auth }: Config, findings: Findings): void {
  checkHeaders(http.headers, findings)
  if (http.host !== undefined) checkHost(http.host, findings)
  for (const [at, range] of http.trustedproxies.entries()) {
    if (!isRange(range)) {
      findings.error(['http', 'trustedproxies', at], `found ${JSON.stringify(range)}; allowed: an address or a range, such as 10.0.0.0/8`)
    }
  }
  if (auth?.htpasswd !== undefined && isReadOnTheWay(http)) {
    const message =
      'passwords come over plain HTTP, where everybody on the way can read them: set http.tls; behind a proxy that speaks TLS, http.host: https://…'
    findings.warn('odd', ['auth', 'htpasswd'], message)
  }
}

function checkHeaders(headers: Config['http']['headers'], findings: Findings): void {
  for (const [name, values] of Object.entries(headers)) {
    const path = ['http', 'headers', name]
    // RFC 9110, section 5.6.2.
    if (!/^[!#$%&'*+.^_`|~\w-]+$/.test(name)) findings.error(path, 'is no name of a header; allowed: letters, digits and hyphens')
    else if (isFraming(name)) findings.warn('odd', path, 'has no effect: this header is made for each answer')
    for (const [at, value] of values.entries()) {
      // RFC 9110, section 5.5.
      if (/[^\t\x20-\x7e\x80-\xff]/.test(value)) {
        findings.error([...path, at], `found ${JSON.stringify(value)}; allowed: one line of text, without control characters`)
      }
    }
  }
}

/** It stands in Location and WWW-Authenticate as it is. */
function checkHost(host: string, findings: Findings): void {
  const { username, password, search, hash } = new URL(host)
  if (/[^\x21-\x7e]/.test(host) || username + password + search + hash !== '') {
    findings.error(['http', 'host'], 'allowed: scheme, host, port and path alone, such as https://registry.example.com')
  }
}

function isRange(text: string): boolean {
  const [address = '', bits, ...more] = text.split('/')
  const longest = { 0: -1, 4: 32, 6: 128 }[isIP(address)] ?? -1
  return longest > 0 && more.length === 0 && (bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= longest))
}

/** A proxy that is named, or an address that only this machine reaches, is taken to be behind TLS. */
function isReadOnTheWay({ tls, net, addr, host, trustedproxies }: Config['http']): boolean {
  if (tls?.certificate !== undefined || tls?.letsencrypt !== undefined || /^https:/i.test(host ?? '')) return false
  if (trustedproxies.length > 0 && trustedproxies.join() !== privateRanges.join()) return false
  const target = parseListenTarget(net, addr)
  return 'host' in target && !isLoopback(target.host ?? '')
}

const loopback = new BlockList()
loopback.addSubnet('127.0.0.0', 8)
loopback.addAddress('::1', 'ipv6')

function isLoopback(host: string): boolean {
  const family = isIP(host)
  return host === 'localhost' || (family !== 0 && loopback.check(host, family === 6 ? 'ipv6' : 'ipv4'))
}
