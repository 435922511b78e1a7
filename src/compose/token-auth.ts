// `auth.token` of the configuration → who believes the tokens of a server elsewhere. Part of compose.
import type { Authenticator } from '../auth/access.ts'
import { Bearer, signingAlgorithms } from '../auth/bearer.ts'
import { parseCertificates } from '../auth/certificate-chain.ts'
import { parseJwks } from '../auth/token-keys.ts'
import { WatchedFile } from '../auth/watched-file.ts'
import type { Config } from '../config/load.ts'
import type { Clock } from '../lib/clock.ts'
import type { Log } from '../telemetry/log.ts'

type Token = NonNullable<NonNullable<Config['auth']>['token']>

/** Names that distribution takes, though it believes no token that is signed so. */
const symmetric: ReadonlySet<string> = new Set(['HS256', 'HS384', 'HS512'])

/** Throws Errors that name the configuration key. */
export function openTokenAuthentication(token: Token, { log, clock }: { readonly log: Log; readonly clock: Clock }): Authenticator {
  const { rootcertbundle, jwks, service, issuer } = token
  if (rootcertbundle === undefined && jwks === undefined) {
    throw new Error('auth.token: needs rootcertbundle or jwks: without a key no token can be believed')
  }
  const open = <Content>(key: string, path: string | undefined, parse: (text: string) => Content): WatchedFile<Content> | undefined => {
    try {
      return path === undefined ? undefined : new WatchedFile({ path, parse, clock, log })
    } catch (error) {
      throw new Error(`auth.token.${key}: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
    }
  }
  return new Bearer({
    realm: token.autoredirect ? `/${token.autoredirectpath.replace(/^\/+/, '')}` : token.realm,
    service,
    issuer,
    algorithms: algorithmsOf(token, log),
    roots: open('rootcertbundle', rootcertbundle, parseCertificates),
    jwks: open('jwks', jwks, parseJwks),
    clock,
  })
}

function algorithmsOf({ signingalgorithms }: Token, log: Log): readonly string[] {
  const known: readonly string[] = signingAlgorithms
  const refused = signingalgorithms.filter((name) => symmetric.has(name))
  if (refused.length > 0)
    log.warn({ algorithms: refused }, 'auth.token.signingalgorithms: tokens of symmetric algorithms are never believed')
  const wanted = signingalgorithms.filter((name) => !symmetric.has(name))
  const unknown = wanted.find((name) => !known.includes(name))
  if (unknown !== undefined) throw new Error(`auth.token.signingalgorithms: found ${unknown}; allowed: ${known.join(', ')}`)
  return signingalgorithms.length === 0 ? known : wanted
}
