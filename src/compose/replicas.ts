// The other replicas: how this one is found by them, how it asks them for a running fill, and what it answers. Part of compose.
import type { Leases } from '../cluster/leases.ts'
import { WorkerLeases } from '../cluster/worker-leases.ts'
import type { Link } from '../cluster/worker-link.ts'
import type { Config } from '../config/load.ts'
import type { OpenServer, ServerOptions } from '../http/server.ts'
import { isSignedByPeer, signatureHeader, signPeer } from '../cluster/peer-signature.ts'
import { type PeerAccess, peerPath } from '../http/handlers/peers.ts'
import type { Clock } from '../lib/clock.ts'
import { OnDemandSources } from '../mirror/on-demand-sources.ts'
import type { PullThrough } from '../mirror/pull-through.ts'
import type { Peers } from '../mirror/shared-transfers.ts'
import type { Log } from '../telemetry/log.ts'
import { RemoteContent } from '../upstream/remote-content.ts'

/** What a process needs to know to be one of several. */
export interface ClusterMembership {
  readonly leases: Leases
  /** http.secret, the same on all. */
  readonly secret: string
  /** Where the others reach this one: `http://10.0.0.3:5000`, with http.prefix; holders of leases are named so. Known once the server listens. */
  self(): string
  /** To be called when the server listens. What it opens is closed with `building`. */
  announce(serving: Serving, building: AsyncDisposableStack): Promise<void>
}

/** The running server, and how another one like it is opened. */
export interface Serving {
  readonly server: OpenServer
  readonly config: Config
  open(listen: ServerOptions['listen']): Promise<OpenServer>
}

/** `undefined`: this process is alone. */
export async function joinCluster(
  config: Config,
  { primary }: { readonly primary?: Link | undefined },
): Promise<ClusterMembership | undefined> {
  return primary === undefined ? undefined : joinWorkers(config, primary)
}

/** Workers of one host share a port, so each has one more for the others. */
async function joinWorkers(config: Config, primary: Link): Promise<ClusterMembership> {
  const secret = config.http.secret ?? String(await primary.ask('secret'))
  let self = ''
  return {
    leases: new WorkerLeases(primary),
    secret,
    self: () => self,
    async announce({ open }, building) {
      const { port } = building.use(await open({ host: '127.0.0.1', port: 0, exclusive: true }))
      self = `http://127.0.0.1:${port}${pathOf(config.http.prefix)}`
      await primary.ask('lease.name', self)
    },
  }
}

function pathOf(prefix: string): string {
  return prefix.replace(/\/+$/, '')
}

/** A holder that brings nothing for so long is asked again, or its lease taken over. */
const peerIdleMs = 15_000
const peerConnectMs = 2_000

interface PeerParts {
  readonly clock: Clock
  readonly log: Log
  readonly userAgent: string
}

/** Closed with `building`. Connects to nothing yet. */
export function openPeers(membership: ClusterMembership, parts: PeerParts, building: AsyncDisposableStack): Peers {
  const { secret } = membership
  const open = (node: string) =>
    new RemoteContent({
      url: `${node}${peerPath}`,
      trustedRealms: [],
      // Blobs are verified by their digest, and the requests carry no secret: whose certificate it is does not matter here.
      insecure: true,
      connectTimeoutMs: peerConnectMs,
      bodyIdleTimeoutMs: peerIdleMs,
      userAgent: parts.userAgent,
      sign: (method, url) => ({ [signatureHeader]: signPeer(secret, method, `${url.pathname}${url.search}`, parts.clock.now()) }),
      clock: parts.clock,
      log: parts.log,
    })
  const nodes = building.use(new OnDemandSources(open, parts.log))
  return {
    get self() {
      return membership.self()
    },
    openBlob: (node, { repository, digest, range }, signal) => nodes.of(node).openBlob(repository, digest, range, signal),
  }
}

/** What this replica answers the others. */
export function peerAccessOf(secret: string, mirror: PullThrough, clock: Clock): PeerAccess {
  return {
    findBlob: mirror.findRunning.bind(mirror),
    isPeer: (request) => isSignedByPeer(secret, request, clock.now()),
    signatureHeader,
  }
}
