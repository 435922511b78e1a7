// The addresses that answers name, as the client must use them: behind proxies, below a prefix, under another host. Pure.
// Order of what decides the host, as in distribution: http.host, Forwarded, X-Forwarded-*, the request itself.

export interface UrlRules {
  /** http.host, such as `https://registry.example.com/images`. Its path then stands in place of the prefix. */
  readonly host: string | undefined
  /** http.relativeurls: paths without a host. */
  readonly relative: boolean
  /** `/pfx`, or nothing. */
  readonly prefix: string
}

/** What a proxy says that it was asked, as the headers have it. */
export interface ForwardedHeaders {
  readonly forwarded?: string | undefined
  readonly proto?: string | undefined
  readonly host?: string | undefined
}

export interface AskedUrl {
  /** Raw, with the prefix. */
  readonly path: string
  /** The Host header. */
  readonly host: string | undefined
  readonly isSecure: boolean
  /** `undefined` from a peer that is not trusted. */
  readonly forwarded: ForwardedHeaders | undefined
}

/** `inside` is a path of the API without any prefix, such as `/v2/a/blobs/uploads/1`. Without a usable host the result is a path. */
export function urlOf(rules: UrlRules, asked: AskedUrl, inside: string): string {
  if (rules.host !== undefined) return rules.host.replace(/\/+$/, '') + inside
  const path = withPrefix(rules.prefix, asked.path, inside)
  if (rules.relative) return path
  const { scheme, host } = originOf(asked)
  return host === undefined ? path : `${scheme}://${host}${path}`
}

/** Scheme and host as the client knows them. Without a usable host nothing before the path. */
export function originUrlOf(rules: UrlRules, asked: AskedUrl): string {
  if (rules.host !== undefined) return new URL(rules.host).origin
  const { scheme, host } = originOf(asked)
  return host === undefined ? '' : `${scheme}://${host}`
}

/** `undefined`: nobody who is believed says so. */
export function forwardedSchemeOf({ forwarded }: AskedUrl): 'http' | 'https' | undefined {
  return forwarded === undefined ? undefined : schemeIn(saidBy(forwarded).proto)
}

/** The prefix stands where the client put it: `/pfx/v2/…` or `/v2/pfx/…`. */
function withPrefix(prefix: string, asked: string, inside: string): string {
  if (prefix === '') return inside
  const isBehindVersion = !asked.startsWith(`${prefix}/`) && asked.startsWith(`/v2${prefix}/`)
  return isBehindVersion ? `/v2${prefix}${inside.slice('/v2'.length)}` : prefix + inside
}

function originOf({ host, isSecure, forwarded }: AskedUrl): { readonly scheme: string; readonly host: string | undefined } {
  const said = forwarded === undefined ? {} : saidBy(forwarded)
  return { scheme: schemeIn(said.proto) ?? (isSecure ? 'https' : 'http'), host: hostIn(said.host) ?? hostIn(host) }
}

/** Forwarded (RFC 7239) wins over X-Forwarded-* even where it names neither host nor scheme, as in distribution. */
function saidBy({ forwarded, proto, host }: ForwardedHeaders): { readonly proto?: string | undefined; readonly host?: string | undefined } {
  if (forwarded === undefined || forwarded === '') return { proto: firstOf(proto), host: firstOf(host) }
  const element = firstElementOf(forwarded)
  return { proto: element.get('proto'), host: element.get('host') }
}

function firstOf(list: string | undefined): string | undefined {
  return list?.split(',')[0]?.trim()
}

const pair = /^\s*([!#$%&'*+.^_`|~\w-]+)=("(?:[^"\\]|\\.)*"|[^\s";,]*)\s*([;,]|$)/

/** RFC 7239, section 4: `proto=https;host="a:5000", for=…`; the first element is that of the proxy nearest to the client. */
function firstElementOf(header: string): ReadonlyMap<string, string> {
  const element = new Map<string, string>()
  let rest = header
  for (;;) {
    const match = pair.exec(rest)
    if (match === null) return element
    const [whole, name = '', value = '', end] = match
    element.set(name.toLowerCase(), value.startsWith('"') ? value.slice(1, -1).replace(/\\(.)/g, '$1') : value)
    if (end !== ';') return element
    rest = rest.slice(whole.length)
  }
}

function schemeIn(text: string | undefined): 'http' | 'https' | undefined {
  const scheme = text?.toLowerCase()
  return scheme === 'http' || scheme === 'https' ? scheme : undefined
}

/** RFC 1035, section 2.3.4, and a port. */
const longestHost = 253 + 6

/** Only what can be a host and a port: anything else would let a header write the rest of the address. */
function hostIn(text: string | undefined): string | undefined {
  return text !== undefined && text.length <= longestHost && /^(?:[\w.-]+|\[[\da-fA-F:.]+\])(?::\d{1,5})?$/.test(text) ? text : undefined
}
