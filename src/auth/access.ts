// Who asks, and what may be done: what HTTP knows of authentication. The ways to authenticate implement `Authenticator`.
import type { RepositoryName } from '../oci/names.ts'

export type Action = 'pull' | 'push' | 'delete'

/** What one request wants. Several for a mount: push to one repository and pull from the other. */
export type Wanted =
  | { readonly kind: 'repository'; readonly repository: RepositoryName; readonly actions: readonly Action[] }
  /** `_catalog` and search: `registry:catalog:*` in token scopes. */
  | { readonly kind: 'catalog' }
  /** `/v2/`: any valid identity. */
  | { readonly kind: 'ping' }

export interface Principal {
  /** `undefined`: anonymous. */
  readonly name: string | undefined
  readonly groups: readonly string[]
}

export const anonymous: Principal = { name: undefined, groups: [] }

/** What of a request authentication may look at. */
export interface Credentials {
  /** The Authorization header as it came. */
  readonly authorization: string | undefined
  /** The address of the client, for damping. */
  readonly address: string
  /** For challenges that name the server's own token endpoint. */
  readonly baseUrl: string
}

export type Decision =
  | { readonly kind: 'allowed'; readonly principal: Principal }
  /** 401: the WWW-Authenticate value, and the code and message of the body. */
  | { readonly kind: 'challenge'; readonly challenge: string; readonly message: string; readonly detail?: unknown }
  /** 403: known, and not allowed. */
  | { readonly kind: 'denied'; readonly principal: Principal; readonly message: string; readonly detail?: unknown }
  /** 429: too many wrong passwords. */
  | { readonly kind: 'damped'; readonly retryAfterSeconds: number }

export interface Authenticator {
  /** Synchronous where nothing has to be waited for: hot answers do not yield. Throws only for trouble of its own (500, 503). */
  authorize(credentials: Credentials, wanted: readonly Wanted[]): Decision | Promise<Decision>
}
