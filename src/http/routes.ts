// The whole API as one table. Patterns match the raw path; what they capture is decoded and parsed by the handlers, so an encoded
// `..` or `/` is never part of a match.
import { Router } from '@koa/router'
import type { Middleware } from 'koa'
import type { Catalog, ContentSource } from '../content.ts'
import { answerRoot, answerVersion, redirectToVersion } from './handlers/base.ts'
import type { CommonHeaders } from './common-headers.ts'
import { createBlobHandlers } from './handlers/blobs.ts'
import { createCatalogHandler } from './handlers/catalog.ts'
import { createBlobDelete } from './handlers/delete-blobs.ts'
import { createManifestHandlers } from './handlers/manifests.ts'
import { createManifestDelete, createManifestPush } from './handlers/push-manifests.ts'
import { createPeerBlobs, type PeerAccess, peerPath } from './handlers/peers.ts'
import { createReferrersHandler } from './handlers/referrers.ts'
import { answerRefused } from './handlers/refused.ts'
import { answerPing, createSearchHandler } from './handlers/search.ts'
import { createTagsHandler } from './handlers/tags.ts'
import { createUploadHandlers } from './handlers/uploads.ts'
import { manifestPattern } from './hot-manifests.ts'
import type { Exchange, Handler } from './exchange.ts'
import type { Locate } from './locations.ts'
import { type Authorize, guarded } from './middleware/authenticate.ts'
import { createWriteParts, type OwnContent } from './own-content.ts'
import { type Naming, pathInside } from './request-names.ts'
import type { SendBlobOptions } from './send-blob.ts'
import { createRepositoryWants, createUploadWants, wantsCatalog, wantsPing, type WantsOf } from './wanted.ts'

export interface RoutesOptions extends SendBlobOptions {
  readonly content: ContentSource
  readonly catalog: Catalog | undefined
  readonly maxCatalogEntries: number
  /** `undefined`: everything is mirrored, nothing can be pushed. */
  readonly own: OwnContent | undefined
  /** `undefined`: there are no other replicas. */
  readonly peers: PeerAccess | undefined
  readonly locate: Locate
  /** `undefined`: everybody may do everything. */
  readonly authorize?: Authorize | undefined
  /** Where this server gives tokens itself. */
  readonly tokens?: { readonly path: string; readonly handler: Handler } | undefined
  readonly naming: Naming
  /** `/pfx`, or nothing. */
  readonly prefix: string
  /** On every answer of a route below `/v2/`. */
  readonly commonHeaders: CommonHeaders
}

type Methods = Readonly<Record<string, Handler>>

export interface Route {
  readonly pattern: RegExp
  /** What its callers must be allowed. */
  readonly wants: WantsOf
  /** Any other method is refused; a handler alone takes all. */
  readonly methods: Methods | Handler
}

/** Every route that tells anything. What is not here is a probe, a redirection or not found. */
export function routesOf(options: RoutesOptions): readonly Route[] {
  const { content, catalog, own, naming } = options
  const manifests = createManifestHandlers(content, naming)
  const blobs = createBlobHandlers(content, naming, options)
  const referrers = createReferrersHandler(content, naming, own?.isOwn ?? (() => false))
  const writes = own === undefined ? noWrites : writesOf(own, naming, options.locate)
  const wants = createRepositoryWants(naming)
  return [
    { pattern: /^\/v2\/$/, wants: wantsPing, methods: answerVersion },
    ...(catalog === undefined ? [] : searchRoutes(catalog)),
    { pattern: /^\/v2\/_catalog$/, wants: wantsCatalog, methods: { GET: createCatalogHandler(catalog, options.maxCatalogEntries) } },
    { pattern: /^\/v2\/(.+)\/tags\/list$/, wants, methods: { GET: createTagsHandler(content, naming) } },
    { pattern: manifestPattern, wants, methods: { GET: manifests.GET, HEAD: manifests.HEAD, ...writes.manifest } },
    { pattern: /^\/v2\/(.+)\/blobs\/uploads\/?$/, wants: createUploadWants(naming), methods: writes.uploads },
    { pattern: /^\/v2\/(.+)\/blobs\/uploads\/([^/]+)$/, wants, methods: writes.upload },
    { pattern: /^\/v2\/(.+)\/blobs\/([^/]+)$/, wants, methods: { GET: blobs.GET, HEAD: blobs.HEAD, ...writes.blob } },
    { pattern: /^\/v2\/(.+)\/referrers\/([^/]+)$/, wants, methods: { GET: referrers } },
  ]
}

function searchRoutes(catalog: Catalog): readonly Route[] {
  return [
    { pattern: /^\/v1\/_ping$/, wants: wantsPing, methods: answerPing },
    { pattern: /^\/v1\/search$/, wants: wantsCatalog, methods: createSearchHandler(catalog) },
  ]
}

interface Writes {
  readonly manifest: Methods
  readonly blob: Methods
  readonly uploads: Methods
  readonly upload: Methods
}

const noWrites: Writes = { manifest: {}, blob: {}, uploads: {}, upload: {} }

/** What the configuration forbids is no method of its route, so that Allow tells what is. */
function writesOf(own: OwnContent, naming: Naming, locate: Locate): Writes {
  const parts = createWriteParts(own, naming, locate)
  const { begin, append, finish, status, cancel } = createUploadHandlers(parts)
  const upload = { GET: status, HEAD: status }
  if (own.isReadOnly) return { ...noWrites, upload }
  return {
    manifest: { PUT: createManifestPush(parts), ...(own.canDelete ? { DELETE: createManifestDelete(parts) } : {}) },
    blob: own.canDelete ? { DELETE: createBlobDelete(parts) } : {},
    uploads: { POST: begin },
    upload: { ...upload, PATCH: append, PUT: finish, DELETE: cancel },
  }
}

/** Answers what a route matches; everything else falls through. */
export function createRoutes(options: RoutesOptions): Middleware<Exchange> {
  const router = new Router<Exchange>()
  const { commonHeaders, prefix } = options

  function add(pattern: RegExp, handler: Handler): void {
    router.all(pattern, (ctx) => {
      ctx.respond = false
      return handler(ctx.state, (ctx as unknown as { captures: readonly string[] }).captures)
    })
  }

  add(/^\/$/, answerRoot)
  if (options.peers !== undefined) {
    add(new RegExp(`^${peerPath}/v2/(.+)/blobs/([^/]+)$`), createPeerBlobs(options.peers, options.content, options))
  }
  if (options.tokens !== undefined) add(new RegExp(`^${options.tokens.path}$`), options.tokens.handler)
  add(/^\/v2$/, (exchange) => {
    exchange.commonHeaders = commonHeaders(exchange.query)
    redirectToVersion(exchange)
  })
  for (const route of routesOf(options)) {
    const handler = handlerOf(route, options.authorize)
    const isOfApi = route.pattern.source.startsWith('^\\/v2')
    add(route.pattern, (exchange, captures) => {
      if (isOfApi) exchange.commonHeaders = commonHeaders(exchange.query)
      return handler(exchange, captures)
    })
  }

  const dispatch = router.routes() as unknown as Middleware<Exchange>
  return (ctx, next) => {
    const inside = pathInside(ctx.state.path, prefix)
    if (inside === undefined) return next()
    // The router's own way to be given a path: Koa's would go through url.parse, which turns `\` into `/`.
    ctx['newRouterPath'] = inside
    return dispatch(ctx, next)
  }
}

/** A route's methods as one handler, for those who may. */
function handlerOf({ wants, methods }: Route, authorize: Authorize | undefined): Handler {
  if (typeof methods === 'function') return guarded(methods, wants, authorize)
  const allowed = Object.keys(methods).join(', ')
  const handlers = new Map(Object.entries(methods).map(([method, handler]) => [method, guarded(handler, wants, authorize)]))
  const refuse: Handler = (exchange) => answerRefused(exchange, allowed)
  const refuseGuarded = guarded(refuse, wants, authorize)
  return (exchange, captures) => {
    const { method = '' } = exchange.req
    // Browsers ask by OPTIONS without credentials; that a method is refused tells nobody anything.
    const handler = handlers.get(method) ?? (method === 'OPTIONS' ? refuse : refuseGuarded)
    return handler(exchange, captures)
  }
}
