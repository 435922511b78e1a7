// Who asks, and what may be done: what HTTP knows of authentication. The ways to authenticate implement `Authenticator`. Pure.
import type { RepositoryName } from '../oci/names.ts'

export type Action = 'pull' | 'push' | 'delete'

/** What one request wants. Several for a mount: push to one repository and pull from the other. */
export type Wanted =
  | {
      readonly kind: 'repository'
      /** What content is known by: what rules are about. */
      readonly repository: RepositoryName
      /** As the client calls it, and so as a token server was asked for it. Never a name that `ns` gave another meaning. */
      readonly asked: RepositoryName
      readonly actions: readonly Action[]
    }
  /** `_catalog` and search: `registry:catalog:*` in token scopes. */
  | { readonly kind: 'catalog' }
  /** The dashboard and the API behind it: `registry:entrepot:*` in token scopes. */
  | { readonly kind: 'operation' }
  /** `/v2/`, and what names nothing that is served here: any valid identity. */
  | { readonly kind: 'ping' }

export interface Principal {
  /** `undefined`: anonymous. */
  readonly name: string | undefined
  readonly groups: readonly string[]
}

export const anonymous: Principal = { name: undefined, groups: [] }

/** What of a request authentication may look at. What costs something is worked out when it is read. */
export interface Credentials {
  /** The Authorization header as it came. */
  readonly authorization: string | undefined
  /** The address of the client as the nearest trusted proxy saw it, for damping: nobody can write it himself. */
  readonly address: string
  /** `https://registry.example.com`, without a slash at its end. */
  readonly origin: string
  /** The same with the prefix behind it: below it are this server's own paths. */
  readonly base: string
  /** Whether the client's connection is one of TLS, here or at a trusted proxy. */
  readonly isSecure: boolean
  /** What a trusted proxy says of the client's connection. */
  readonly forwardedScheme: 'http' | 'https' | undefined
}

export type Decision =
  | { readonly kind: 'allowed'; readonly principal: Principal }
  /** 401 with this WWW-Authenticate. */
  | { readonly kind: 'challenge'; readonly challenge: string }
  /** 403: known, and not allowed. */
  | { readonly kind: 'denied'; readonly principal: Principal }
  /** 429: too many wrong passwords, or more than can be looked at. */
  | { readonly kind: 'damped'; readonly retryAfterSeconds: number }

/** What somebody gets who asks for a token. */
export type Issued =
  | { readonly kind: 'issued'; readonly token: string; readonly expiresInSeconds: number; readonly issuedAt: number }
  | Extract<Decision, { kind: 'challenge' | 'damped' }>

/** Where this server gives tokens itself. */
export interface TokenEndpoint {
  /** Below `Credentials.base`. */
  readonly path: string
  issue(credentials: Credentials): Issued | Promise<Issued>
}

export interface Authenticator {
  readonly tokenEndpoint?: TokenEndpoint | undefined

  /** Synchronous where nothing has to be waited for: hot answers do not yield. Throws only for trouble of its own (500, 503). */
  authorize(credentials: Credentials, wanted: readonly Wanted[]): Decision | Promise<Decision>
}

/** One line of what is wanted, as distribution's token specification has it. */
export interface Access {
  readonly type: 'repository' | 'registry'
  readonly name: string
  readonly action: Action | '*'
}

export function accessesOf(wanted: readonly Wanted[]): Access[] {
  return wanted.flatMap((want): Access[] => {
    if (want.kind === 'ping') return []
    if (want.kind === 'catalog') return [{ type: 'registry', name: 'catalog', action: '*' }]
    if (want.kind === 'operation') return [{ type: 'registry', name: 'entrepot', action: '*' }]
    return want.actions.map((action) => ({ type: 'repository', name: want.asked, action }))
  })
}

/** `repository:a/b:pull,push repository:c/d:pull` */
export function scopeOf(accesses: readonly Access[]): string {
  const actions = new Map<string, Set<string>>()
  for (const { type, name, action } of accesses) {
    const key = `${type}:${name}`
    actions.set(key, (actions.get(key) ?? new Set()).add(action))
  }
  return [...actions].map(([key, its]) => `${key}:${[...its].join(',')}`).join(' ')
}

/** A challenge (RFC 9110, section 11.6.1). Parameters that are empty are left out; what has no place in a header becomes a question mark. */
export function formatChallenge(scheme: 'Basic' | 'Bearer', parameters: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(parameters)
    .filter(([name, value]) => name === 'realm' || value !== '')
    .map(([name, value]) => `${name}="${value.replace(/[^\x20-\x7e]/g, '?').replace(/["\\]/g, '\\$&')}"`)
  return `${scheme} ${pairs.join(',')}`
}
