// `redis` and `cluster` of the configuration → what replicas agree by; the workers of one host agree through their primary. A process
// that has neither is alone. Part of compose.
import { hostname } from 'node:os'
import { fixedSecret, type HttpSecret, randomSecret, SharedSecret } from '../cluster/http-secret.ts'
import type { Leases } from '../cluster/leases.ts'
import { notedLeases } from '../cluster/noted-leases.ts'
import { LocalLeases } from '../cluster/local-leases.ts'
import { RedisConnection } from '../cluster/redis.ts'
import { RedisFacts } from '../cluster/redis-facts.ts'
import { RedisLeases } from '../cluster/redis-leases.ts'
import type { SharedFacts } from '../cluster/shared-facts.ts'
import { factsOfPrimary } from '../cluster/worker-facts.ts'
import { WorkerLeases } from '../cluster/worker-leases.ts'
import type { Link } from '../cluster/worker-link.ts'
import type { Config } from '../config/load.ts'
import { type Clock, systemClock } from '../lib/clock.ts'
import { addressOf, openOwnPort, type Serving } from './replicas.ts'
import { openRoster, type OwnRoster } from './roster.ts'
import type { Facts } from '../telemetry/facts.ts'
import type { Health } from '../telemetry/health.ts'
import type { Log } from '../telemetry/log.ts'
import type { RequestParts } from '../telemetry/request-parts.ts'

export interface Cluster {
  /** `undefined`: this process is alone, nothing is shared. */
  readonly shared: Shared | undefined
  /** `undefined`: without Redis. */
  readonly redis: RedisConnection | undefined
  /** Of all who may write to the store; of this process where it is alone. Those of replicas throw RedisAway. */
  readonly leases: Leases
  /** `http.secret`, or one that the replicas agree on, or that of this host's processes, or a random one. The same at each call. */
  readonly secret: () => Promise<HttpSecret>
  readonly roster: Pick<OwnRoster, 'name' | 'others'>
  /** Tells the others where this process can be asked. To be called when the server listens; what it opens is closed with `building`. */
  announce(serving: Serving, building: AsyncDisposableStack): Promise<void>
}

/** Between the replicas, or between the worker processes of one host. */
export interface Shared {
  readonly leases: Leases
  readonly facts: SharedFacts
  /** Holders of leases are named by where the others reach them: `http://10.0.0.3:5000`, with http.prefix. */
  self(): string
}

export interface ClusterParts {
  readonly log: Log
  readonly clock: Clock
  /** Of a worker process: the way to the primary. */
  readonly primary?: Link | undefined
  /** Is told when Redis is away, and when it is back. */
  readonly health?: Health
  /** Is told how long Redis takes. */
  readonly facts?: Pick<Facts, 'redis'>
  /** Is told how long leases are waited for. */
  readonly requestParts?: Pick<RequestParts, 'note'> | undefined
}

/** Throws Errors that name the configuration key. A Redis that is away is waited for only briefly. */
export async function openCluster(config: Config, parts: ClusterParts, building: AsyncDisposableStack): Promise<Cluster> {
  const { redis: settings } = config
  const { primary, log, health, facts } = parts
  const tell = (trouble: string | undefined) => health?.tell('redis', trouble)
  const node = { address: config.cluster.advertise ?? hostname() }
  // Redis counts in the system's time.
  const hasRedis = settings !== undefined && settings.addrs.length > 0
  const redis = hasRedis
    ? building.use(await RedisConnection.open(settings, { clock: systemClock, log, tell, took: facts?.redis }))
    : undefined
  const shared = openShared({ redis, primary, node }, parts, building)
  const roster = openRoster(config, { redis, clock: parts.clock })
  let opening: Promise<HttpSecret> | undefined
  return {
    shared,
    redis,
    roster,
    leases: shared?.leases ?? noted(new LocalLeases(node.address), parts),
    secret: () => (opening ??= openSecret(config, redis, parts, building)),
    async announce(serving, opened) {
      roster.announce(serving, opened)
      if (shared === undefined) return
      node.address =
        primary === undefined ? addressOf(config, serving.server) : await openOwnPort(config, redis !== undefined, serving, opened)
      if (redis === undefined) await primary?.ask('lease.name', node.address)
    },
  }
}

interface SharedOver {
  readonly redis: RedisConnection | undefined
  readonly primary: Link | undefined
  readonly node: { readonly address: string }
}

function openShared({ redis, primary, node }: SharedOver, parts: ClusterParts, building: AsyncDisposableStack): Shared | undefined {
  const { clock, log } = parts
  const self = () => node.address
  if (redis !== undefined) {
    const leases = noted(building.use(new RedisLeases({ redis, holder: self, clock: systemClock, log })), parts)
    return { leases, facts: building.use(RedisFacts.open({ redis, leases, clock, log })), self }
  }
  if (primary === undefined) return undefined
  const leases = noted(new WorkerLeases(primary), parts)
  return { leases, facts: building.use(RedisFacts.open({ redis: factsOfPrimary(primary), leases, clock, log })), self }
}

function noted(leases: Leases, { requestParts }: ClusterParts): Leases {
  if (requestParts === undefined) return leases
  return notedLeases(leases, (key, seconds, isHeld) =>
    requestParts.note('lease', seconds, { 'entrepot.lease': key, 'entrepot.held': String(isHeld) }),
  )
}

async function openSecret(
  { http, storage }: Config,
  redis: RedisConnection | undefined,
  parts: ClusterParts,
  building: AsyncDisposableStack,
): Promise<HttpSecret> {
  if (http.secret !== undefined) return fixedSecret(http.secret)
  if (redis !== undefined) return building.use(await SharedSecret.open({ redis, ...parts }))
  if (parts.primary !== undefined) return fixedSecret(String(await parts.primary.ask('secret')))
  if (!storage.maintenance.readonly.enabled) {
    parts.log.warn(
      {},
      'http.secret is not set, so a random one is used: uploads in progress will not survive a restart, nor a load balancer before several registries. Set http.secret or REGISTRY_HTTP_SECRET',
    )
  }
  return fixedSecret(randomSecret())
}
