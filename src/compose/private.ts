// `auth` and `proxy.authorization` of the configuration → who may read what of the mirrored, and what the catalog names. Part of compose.
import type { Authenticator } from '../auth/access.ts'
import { UpstreamAccounts } from '../auth/upstream-accounts.ts'
import { UpstreamLogin } from '../auth/upstream-login.ts'
import { UpstreamTokens } from '../auth/upstream-tokens.ts'
import { fixedSecret, type HttpSecret, randomSecret } from '../cluster/http-secret.ts'
import type { Config } from '../config/load.ts'
import type { Catalog } from '../content.ts'
import type { OwnContent } from '../http/own-content.ts'
import type { Clock } from '../lib/clock.ts'
import { OpenCatalog } from '../mirror/access-catalog.ts'
import { PublicNotes } from '../mirror/access-notes.ts'
import { RepositoryAccess } from '../mirror/access.ts'
import type { RepositoryName } from '../oci/names.ts'
import { publicNotesPath } from '../store/layout.ts'
import type { Log } from '../telemetry/log.ts'
import { openAuthentication } from './auth.ts'
import type { Cluster } from './cluster.ts'
import type { Mirror } from './mirror.ts'
import type { Store } from './store.ts'

type Proxy = NonNullable<Config['proxy']>

export interface PrivateParts {
  readonly store: Store
  readonly mirror: Mirror | undefined
  readonly own: OwnContent | undefined
  readonly cluster: Pick<Cluster, 'shared' | 'secret'>
  readonly clock: Clock
  readonly log: Log
}

export interface Private {
  /** `undefined`: everybody may do everything. */
  readonly authenticator: Authenticator | undefined
  readonly catalog: Catalog
}

/** Throws Errors that name the configuration key. */
export async function openPrivate(config: Config, parts: PrivateParts, building: AsyncDisposableStack): Promise<Private> {
  const { proxy } = config
  const { own, log } = parts
  const catalog = parts.store.content
  const login = await openAuthentication(config, parts, building)
  if (proxy === undefined || proxy.authorization === 'shared') {
    if (proxy !== undefined) warnOfSharing(proxy, login, log)
    return { authenticator: login, catalog }
  }
  const access = building.use(await openAccess(proxy, parts, building))
  const isOurs = own?.isOwn ?? (() => false)
  const isOpen = (repository: RepositoryName) => isOurs(repository) || access.wasPublic(repository)
  return {
    authenticator:
      login === undefined
        ? await openLogin(config, { proxy, access, isOurs }, parts)
        : new UpstreamAccounts({ login, access, isOurs, accounts: accountsOf(proxy, log) }),
    catalog: new OpenCatalog(catalog, isOpen),
  }
}

async function openAccess(
  proxy: Proxy,
  { mirror, cluster, store, clock, log }: PrivateParts,
  building: AsyncDisposableStack,
): Promise<RepositoryAccess> {
  const callers = mirror?.callers
  if (callers === undefined) {
    throw new Error('proxy.authorization: there is no upstream to ask')
  }
  return new RepositoryAccess({
    ...callers,
    isAdmitted: mirror?.isAdmitted,
    ttlMs: proxy.authorizationttl,
    publicGraceMs: proxy.tags.staleiferror,
    shared: cluster.shared?.facts ?? building.use(await PublicNotes.open({ file: store.driver, path: publicNotesPath, clock, log })),
    clock,
  })
}

async function openLogin(
  { http }: Config,
  { proxy, access, isOurs }: { readonly proxy: Proxy; readonly access: RepositoryAccess; readonly isOurs: OwnContent['isOwn'] },
  { cluster, clock, log }: PrivateParts,
): Promise<Authenticator> {
  if (Object.keys(proxy.accounts).length > 0) {
    throw new Error('proxy.accounts: needs auth: without it nobody has a name here; callers send their upstream credentials themselves')
  }
  const insecure = proxy.authorizationinsecure
  if (insecure) {
    log.warn({}, 'proxy.authorizationinsecure: upstream credentials are taken over plain HTTP, where everybody on the way can read them')
  } else if (http.tls === undefined) {
    log.warn(
      {},
      'proxy.authorization: without http.tls private images are served only to clients of a trusted proxy that says X-Forwarded-Proto: https',
    )
  }
  return new UpstreamLogin({
    access,
    tokens: new UpstreamTokens({ secret: await secretOf(http, cluster), clock }),
    isOurs,
    insecure,
    clock,
  })
}

/** A process that is alone believes its own tokens, whatever the secret is. */
async function secretOf({ secret }: Config['http'], cluster: PrivateParts['cluster']): Promise<HttpSecret> {
  return secret === undefined && cluster.shared === undefined ? fixedSecret(randomSecret()) : cluster.secret()
}

function accountsOf({ accounts }: Proxy, log: Log): Proxy['accounts'] {
  if (Object.keys(accounts).length === 0) {
    log.warn(
      {},
      'proxy.authorization: with auth and without proxy.accounts nobody stands for anybody upstream, so only public images are served',
    )
  }
  return accounts
}

function warnOfSharing(proxy: Proxy, login: Authenticator | undefined, log: Log): void {
  const remotes = [proxy, ...proxy.mirrors, ...Object.values(proxy.upstreams).flatMap((upstream) => [upstream, ...upstream.mirrors])]
  if (login !== undefined || remotes.every(({ username, exec }) => username === undefined && exec === undefined)) return
  log.warn(
    {},
    'whoever reaches this mirror can pull whatever its upstream account can read, private images included: set auth, or proxy.authorization: upstream',
  )
}
