// Location headers for one request: what urls.ts decides, fed with the request's headers and with whom we trust.
import type { IncomingHttpHeaders } from 'node:http'
import type { BlockList } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { Log } from '../telemetry/log.ts'
import { isTrustedPeer } from './client-address.ts'
import type { Exchange } from './exchange.ts'
import { type AskedUrl, forwardedSchemeOf, originUrlOf, urlOf, type UrlRules } from './urls.ts'

/** `inside` is a path of the API without any prefix. */
export type Locate = (exchange: Exchange, inside: string) => string

export interface LocateOptions {
  readonly rules: UrlRules
  readonly trustedProxies: BlockList
  readonly log: Log
}

/** Where this server stands, as the client of a request knows it. */
export interface Origins {
  originOf(exchange: Exchange): string
  /** With the prefix. */
  baseOf(exchange: Exchange): string
  forwardedSchemeOf(exchange: Exchange): 'http' | 'https' | undefined
  /** Whether the client's connection is one of TLS, here or at a trusted proxy. */
  isSecure(exchange: Exchange): boolean
}

export function createOrigins({ rules, trustedProxies }: Omit<LocateOptions, 'log'>): Origins {
  return {
    originOf: (exchange) => originUrlOf(rules, askedUrlOf(exchange, trustedProxies)),
    baseOf: (exchange) => urlOf({ ...rules, relative: false }, { ...askedUrlOf(exchange, trustedProxies), path: rules.prefix + '/' }, ''),
    forwardedSchemeOf: (exchange) => forwardedSchemeOf(askedUrlOf(exchange, trustedProxies)),
    isSecure: (exchange) => {
      const asked = askedUrlOf(exchange, trustedProxies)
      return (forwardedSchemeOf(asked) ?? (asked.isSecure ? 'https' : 'http')) === 'https'
    },
  }
}

export function createLocate({ rules, trustedProxies, log }: LocateOptions): Locate {
  let hasWarned = false
  return (exchange, inside) => {
    const { req } = exchange
    const isIgnored = isForwarded(req.headers) && !isTrustedPeer(req, trustedProxies)
    if (isIgnored && !hasWarned && rules.host === undefined && !rules.relative) {
      hasWarned = true
      log.warn(
        { peer: req.socket.remoteAddress },
        'ignoring Forwarded and X-Forwarded-* of a peer that http.trustedproxies does not name: addresses in answers may be wrong for its clients',
      )
    }
    return urlOf(rules, askedUrlOf(exchange, trustedProxies), inside)
  }
}

function isForwarded({ forwarded, 'x-forwarded-proto': proto, 'x-forwarded-host': host }: IncomingHttpHeaders): boolean {
  return forwarded !== undefined || proto !== undefined || host !== undefined
}

function askedUrlOf({ req, path }: Exchange, trustedProxies: BlockList): AskedUrl {
  const { forwarded, 'x-forwarded-proto': proto, 'x-forwarded-host': host } = req.headers
  const isTrusted = isForwarded(req.headers) && isTrustedPeer(req, trustedProxies)
  return {
    path,
    host: req.headers.host,
    isSecure: (req.socket as Partial<TLSSocket>).encrypted === true,
    forwarded: isTrusted ? { forwarded, proto: textOf(proto), host: textOf(host) } : undefined,
  }
}

function textOf(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header[0] : header
}
