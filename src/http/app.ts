// The front door of HTTP: a Koa application that answers the registry's API from a ContentSource. It does not know where content
// comes from, does not listen (server.ts does), and keeps nothing.
import type { IncomingMessage, ServerResponse } from 'node:http'
import Koa from 'koa'
import type { Authenticator } from '../auth/access.ts'
import type { Catalog, ContentSource } from '../content.ts'
import { type Clock, systemClock } from '../lib/clock.ts'
import { isFraming } from '../lib/framing-headers.ts'
import type { Health } from '../telemetry/health.ts'
import type { Log } from '../telemetry/log.ts'
import { parseRanges, privateRanges } from './client-address.ts'
import type { Exchange } from './exchange.ts'
import { answerNotFound } from './handlers/base.ts'
import { createTokenHandler } from './handlers/token.ts'
import type { PeerAccess } from './handlers/peers.ts'
import { createHotManifests } from './hot-manifests.ts'
import type { AccessLog } from './middleware/access-log.ts'
import { createCommonHeaders } from './common-headers.ts'
import { createLocate, createOrigins } from './locations.ts'
import { createAuthorize, createCredentials, type CredentialParts, createMayAnswer } from './middleware/authenticate.ts'
import { createCancellation, createLives, type LiveRequests, type RequestLives } from './middleware/cancellation.ts'
import { createErrors } from './middleware/errors.ts'
import { createHealthGate } from './middleware/health.ts'
import { createOperatorPages, type OperatorPages } from './operator-pages.ts'
import type { OwnContent } from './own-content.ts'
import { createNaming, type NameOf, normalPrefix } from './request-names.ts'
import type { MayAnswer, RequestHooks, RequestObserver } from './request-hooks.ts'
import { createRoutes, type RoutesOptions } from './routes.ts'
import { createRepositoryWants } from './wanted.ts'

export interface AppOptions {
  readonly content: ContentSource
  /** `undefined`: `_catalog` is unsupported. */
  readonly catalog?: Catalog | undefined
  /** catalog.maxentries; 1000 when not given, as in distribution. */
  readonly maxCatalogEntries?: number | undefined
  /** `undefined`: everything is mirrored, nothing can be pushed. */
  readonly own?: OwnContent | undefined
  /** `undefined`: everybody may do everything. */
  readonly authenticator?: Authenticator | undefined
  /** `undefined`: there are no other replicas. */
  readonly peers?: PeerAccess | undefined
  readonly log: Log
  /** Shared with the server, which waits for them when it stops. */
  readonly requests: LiveRequests
  /** `undefined`: no access log. */
  readonly accessLog?: AccessLog | undefined
  /** Who else is told of each request that ended. */
  readonly observers?: readonly RequestObserver[] | undefined
  /** http.prefix. */
  readonly prefix?: string | undefined
  /** http.host. */
  readonly host?: string | undefined
  /** http.relativeurls. */
  readonly relativeUrls?: boolean | undefined
  /** http.headers: on every answer below `/v2/`. */
  readonly headers?: Readonly<Record<string, readonly string[]>> | undefined
  /** Names stay as they are, whatever `ns` says, when not given. */
  readonly nameOf?: NameOf | undefined
  /** Ranges of proxies whose Forwarded and X-Forwarded-* are believed; loopback and private networks when not given. */
  readonly trustedProxies?: readonly string[] | undefined
  /** Whether files may be sent by sendfile(2); true when not given. */
  readonly sendfile?: boolean | undefined
  /** http.accel: the folder that a proxy sends files from; `undefined`: files are sent from here. */
  readonly accelRoot?: string | undefined
  readonly clock?: Clock | undefined
  /** Pages for operators, where there is authentication. */
  readonly operatorPages?: OperatorPages | undefined
  /** Refuses all requests while it fails; always well when not given. */
  readonly health?: Health | undefined
}

export interface App {
  /** What a server is to call for each request; never rejects. */
  callback(): (req: IncomingMessage, res: ServerResponse) => Promise<unknown>
}

export function createApp(options: AppOptions): App {
  const { log, requests, authenticator } = options
  const prefix = normalPrefix(options.prefix)
  const trustedProxies = parseRanges(options.trustedProxies ?? privateRanges)
  const rules = { host: options.host, relative: options.relativeUrls ?? false, prefix }
  const origins = createOrigins({ rules, trustedProxies })
  const authorize = authenticator && createAuthorize({ authenticator, origins, trustedProxies })
  const naming = createNaming(options.nameOf ?? ((_ns, name) => name))
  const clock = options.clock ?? systemClock
  const hooks = hooksOf(options, authorize && createMayAnswer(authorize, createRepositoryWants(naming)))
  const lives = createLives({ requests, hooks, trustedProxies, clock, log })
  const headers = ['Docker-Distribution-Api-Version', 'registry/2.0', ...configuredHeaders(options.headers ?? {})]
  const commonHeaders = createCommonHeaders(headers, options.nameOf !== undefined)
  const { content } = options
  const routes: RoutesOptions = {
    content,
    catalog: options.catalog,
    maxCatalogEntries: options.maxCatalogEntries ?? 1000,
    own: options.own,
    locate: createLocate({ rules, trustedProxies, log }),
    authorize,
    tokens: tokensOf(authenticator, { origins, trustedProxies }),
    peers: options.peers,
    naming,
    prefix,
    commonHeaders,
    sendfile: options.sendfile ?? true,
    accel: options.accelRoot === undefined ? undefined : { root: options.accelRoot, trustedProxies },
  }
  const answer = createOrdinary(options, lives, routes).callback()
  if (content.recallManifest === undefined) return { callback: () => answer }
  const answerHot = createHotManifests({ content, naming, prefix, commonHeaders, hooks, lives })
  return { callback: () => (req, res) => (answerHot(req, res) ? done : answer(req, res)) }
}

function tokensOf(authenticator: Authenticator | undefined, parts: CredentialParts): RoutesOptions['tokens'] {
  const endpoint = authenticator?.tokenEndpoint
  if (endpoint === undefined) return undefined
  return { path: endpoint.path, handler: createTokenHandler(endpoint, (exchange) => createCredentials(exchange, parts)) }
}

function hooksOf({ health, accessLog, observers = [] }: AppOptions, mayReadManifest: MayAnswer | undefined): RequestHooks {
  return {
    isOpen: health === undefined ? () => true : () => !health.isFailing,
    mayReadManifest,
    observers: accessLog === undefined ? observers : [accessLog.add, ...observers],
  }
}

function createOrdinary({ log, health, operatorPages }: AppOptions, lives: RequestLives, routes: RoutesOptions): Koa<Exchange> {
  const app = new Koa<Exchange>()
  // Koa tells here of every connection that breaks, and would print a stack for each; leaving is what clients do.
  app.on('error', (error: unknown) => log.debug({ error }, 'a connection broke'))
  app.use(createCancellation(lives))
  if (health !== undefined) app.use(createHealthGate(health))
  app.use(createErrors(log))
  if (operatorPages !== undefined && routes.authorize !== undefined) {
    app.use(createOperatorPages(operatorPages, routes.authorize, routes.prefix))
  }
  app.use(createRoutes(routes))
  app.use((ctx) => {
    ctx.respond = false
    answerNotFound(ctx.state)
  })
  return app
}

const done = Promise.resolve()

function configuredHeaders(headers: Readonly<Record<string, readonly string[]>>): string[] {
  return Object.entries(headers)
    .filter(([name]) => !isFraming(name))
    .flatMap(([name, values]) => values.flatMap((value) => [name, value]))
}
