// Config → running parts. The only place that names concrete parts; they are closed in the reverse order of their making.
import { listenToLog, openAdmin } from './compose/admin.ts'
import { startHealthChecks } from './compose/health.ts'
import { openCluster } from './compose/cluster.ts'
import { openMirror } from './compose/mirror.ts'
import { openObservers } from './compose/observers.ts'
import { createOperation } from './compose/operation.ts'
import { serveOwn } from './compose/own.ts'
import { openPrivate } from './compose/private.ts'
import { connectionLimitsOf, limitedBy } from './compose/limits.ts'
import { openStore } from './compose/store.ts'
import { accelRootOf, openTls, speaksHttp2 } from './compose/tls.ts'
import type { Link } from './cluster/worker-link.ts'
import { startEviction } from './compose/eviction.ts'
import { startUpkeep } from './compose/upkeep.ts'
import { noted, openUsage } from './compose/usage.ts'
import type { Config } from './config/load.ts'
import { parseListenTarget } from './config/listen-target.ts'
import { createApp } from './http/app.ts'
import { AccessLog } from './http/middleware/access-log.ts'
import { LiveRequests } from './http/middleware/cancellation.ts'
import { openServer, type OpenServer } from './http/server.ts'
import type { Clock } from './lib/clock.ts'
import type { Log } from './telemetry/log.ts'

export interface ComposeParts {
  readonly log: Log
  readonly clock: Clock
  readonly userAgent: string
  /** Where the access log goes; stdout when not given. */
  readonly accessLog?: { write(text: string): unknown }
  /** Of a worker process: the way to the primary, which keeps what the workers of one host agree on. */
  readonly primary?: Link | undefined
}

export interface Running extends AsyncDisposable {
  readonly server: OpenServer
  /** `undefined` without http.debug.addr. */
  readonly debug: OpenServer | undefined
  /** Lets requests finish for at most so long, then stops everything. What is unfinished is kept for the next start. */
  close(drainMs: number): Promise<void>
}

/** Throws what listening throws, and Errors that name the configuration key for what is not there or not built yet. */
export async function compose(config: Config, given: ComposeParts): Promise<Running> {
  await using building = new AsyncDisposableStack()
  const { parts, incidents } = listenToLog(config, given)
  const { log, clock, userAgent } = parts
  const operation = createOperation(config, parts)
  const { health, debug, counting, facts, meters, requestParts } = operation
  const usage = openUsage(config, { ...parts, driver: () => store.driver, cluster: () => cluster })
  const cluster = await openCluster(config, { ...parts, health, facts, requestParts }, building)
  const store = building.use(await openStore(config, { ...parts, facts, changes: usage, cluster }))
  building.use(startHealthChecks(config, { health, driver: store.driver, clock, log }))
  const eviction = usage && startEviction(config, { usage, store, ...parts, health, meters, leases: cluster.leases }, building)
  const mirrorParts = { room: eviction, driver: store.driver, local: store.content, log, clock, userAgent, cluster, counting }
  const mirror = config.proxy === undefined ? undefined : await openMirror(config.proxy, mirrorParts, building)
  const { content, nameOf, own } = await serveOwn(config, { store: store.content, mirror, openSecret: cluster.secret })
  startUpkeep(config, { own, store, mirror: mirror?.content, leases: cluster.leases, clock, log, health }, building)
  const access = await openPrivate(config, { store, mirror, own, cluster, clock, log }, building)
  const requests = new LiveRequests()
  const observers = await openObservers(config, { ...parts, counting, requests, requestParts, store: store.content }, building)
  const accessLog = config.log.accesslog.disabled ? undefined : building.use(new AccessLog(parts.accessLog ?? process.stdout, parts.clock))
  const app = createApp({
    content: noted(content, usage),
    ...access,
    maxCatalogEntries: config.catalog.maxentries,
    own,
    peers: mirror?.peers,
    log: parts.log,
    requests,
    accessLog,
    observers,
    prefix: config.http.prefix,
    host: config.http.host,
    relativeUrls: config.http.relativeurls,
    headers: config.http.headers,
    nameOf,
    trustedProxies: config.http.trustedproxies,
    accelRoot: accelRootOf(config),
    clock: parts.clock,
    health,
    operatorPages: openAdmin(config, { ...operation, ...parts, incidents, store, usage, eviction, mirror, nameOf, cluster }, building),
  })
  const debugServer = await debug.listen(building)
  const listen = parseListenTarget(config.http.net, config.http.addr)
  const tls = openTls(config.http, { log, clock, leases: cluster.leases }, building)
  const http2 = speaksHttp2(config.http, tls)
  const serving = { handle: requestParts?.around(app.callback()) ?? app.callback(), requests, log, clock }
  const bounded = { handle: limitedBy(config.http, serving.handle, clock), limits: connectionLimitsOf(config.http) }
  const server = building.use(await openServer({ ...serving, ...bounded, listen, tls, http2 }))
  await cluster.announce({ server, debugPort: debugServer?.port, open: (target) => openServer({ ...serving, listen: target }) }, building)
  const running = building.move()
  return {
    server,
    debug: debugServer,
    async close(drainMs) {
      health.isStopping = true
      await server.drain(drainMs)
      await running.disposeAsync()
    },
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  }
}
