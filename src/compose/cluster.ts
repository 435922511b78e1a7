// `redis` and `cluster` of the configuration → what replicas agree by. Without Redis this process is alone. Part of compose.
import { hostname } from 'node:os'
import { fixedSecret, type HttpSecret, randomSecret, SharedSecret } from '../cluster/http-secret.ts'
import type { Leases } from '../cluster/leases.ts'
import { LocalLeases } from '../cluster/local-leases.ts'
import { RedisConnection } from '../cluster/redis.ts'
import type { RedisSettings } from '../cluster/redis-client.ts'
import { RedisFacts } from '../cluster/redis-facts.ts'
import { RedisLeases } from '../cluster/redis-leases.ts'
import type { SharedFacts } from '../cluster/shared-facts.ts'
import type { Link } from '../cluster/worker-link.ts'
import type { Config } from '../config/load.ts'
import { type Clock, systemClock } from '../lib/clock.ts'
import { type ClusterMembership, joinCluster } from './replicas.ts'
import type { Log } from '../telemetry/log.ts'

export interface Cluster {
  /** `undefined`: nothing is shared. */
  readonly shared: { readonly redis: RedisConnection; readonly leases: Leases; readonly facts: SharedFacts } | undefined
  /** Of the processes of this host, or of replicas; `undefined`: there is one process. */
  readonly membership: ClusterMembership | undefined
  readonly isAlone: boolean
  /** Of all who may write to the store; of this process where it is alone. Those of replicas throw RedisAway. */
  readonly leases: Leases
  /** `http.secret`, or one that the replicas agree on, or that of this host's processes, or a random one. The same at each call. */
  readonly secret: () => Promise<HttpSecret>
  /** How the others know this replica, for `Leases.holderOf`. To be changed once it is known where it listens. */
  readonly node: { address: string }
}

export interface ClusterParts {
  readonly log: Log
  readonly clock: Clock
  /** Of a worker process: the way to the primary. */
  readonly primary?: Link | undefined
}

/** Throws Errors that name the configuration key. A Redis that is away is waited for only briefly. */
export async function openCluster(config: Config, parts: ClusterParts, building: AsyncDisposableStack): Promise<Cluster> {
  const { redis: settings, cluster } = config
  const membership = await joinCluster(config, parts)
  const node = { address: cluster.advertise ?? hostname() }
  const shared = settings === undefined || settings.addrs.length === 0 ? undefined : await openShared(settings, node, parts, building)
  let opening: Promise<HttpSecret> | undefined
  return {
    shared,
    membership,
    isAlone: shared === undefined && membership === undefined,
    leases: shared?.leases ?? membership?.leases ?? new LocalLeases(node.address),
    secret: () => (opening ??= openSecret(config, { redis: shared?.redis, ofHost: membership?.secret }, parts, building)),
    node,
  }
}

async function openShared(
  settings: RedisSettings,
  node: Cluster['node'],
  { clock, log }: ClusterParts,
  building: AsyncDisposableStack,
): Promise<NonNullable<Cluster['shared']>> {
  // Redis counts in the system's time.
  const redis = building.use(await RedisConnection.open(settings, { clock: systemClock, log }))
  const leases = building.use(new RedisLeases({ redis, holder: () => node.address, clock: systemClock, log }))
  const facts = building.use(RedisFacts.open({ redis, leases, clock, log }))
  return { redis, leases, facts }
}

async function openSecret(
  { http, storage }: Config,
  { redis, ofHost }: { readonly redis: RedisConnection | undefined; readonly ofHost: string | undefined },
  parts: ClusterParts,
  building: AsyncDisposableStack,
): Promise<HttpSecret> {
  if (http.secret !== undefined) return fixedSecret(http.secret)
  if (redis !== undefined) return building.use(await SharedSecret.open({ redis, ...parts }))
  if (ofHost !== undefined) return fixedSecret(ofHost)
  if (!storage.maintenance.readonly.enabled) {
    parts.log.warn(
      {},
      'http.secret is not set, so a random one is used: uploads in progress will not survive a restart, nor a load balancer before several registries. Set http.secret or REGISTRY_HTTP_SECRET',
    )
  }
  return fixedSecret(randomSecret())
}
