// Location headers for one request: what urls.ts decides, fed with the request's headers and with whom we trust.
import type { BlockList } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { Log } from '../telemetry/log.ts'
import { isTrustedPeer } from './client-address.ts'
import type { Exchange } from './exchange.ts'
import { urlOf, type UrlRules } from './urls.ts'

/** `inside` is a path of the API without any prefix. */
export type Locate = (exchange: Exchange, inside: string) => string

export interface LocateOptions {
  readonly rules: UrlRules
  readonly trustedProxies: BlockList
  readonly log: Log
}

export function createLocate({ rules, trustedProxies, log }: LocateOptions): Locate {
  let hasWarned = false
  return ({ req, path }, inside) => {
    const { forwarded, 'x-forwarded-proto': proto, 'x-forwarded-host': host } = req.headers
    const isForwarded = forwarded !== undefined || proto !== undefined || host !== undefined
    const isTrusted = isForwarded && isTrustedPeer(req, trustedProxies)
    if (isForwarded && !isTrusted && !hasWarned && rules.host === undefined && !rules.relative) {
      hasWarned = true
      log.warn(
        { peer: req.socket.remoteAddress },
        'ignoring Forwarded and X-Forwarded-* of a peer that http.trustedproxies does not name: addresses in answers may be wrong for its clients',
      )
    }
    return urlOf(
      rules,
      {
        path,
        host: req.headers.host,
        isSecure: (req.socket as Partial<TLSSocket>).encrypted === true,
        forwarded: isTrusted ? { forwarded, proto: textOf(proto), host: textOf(host) } : undefined,
      },
      inside,
    )
  }
}

function textOf(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header[0] : header
}
