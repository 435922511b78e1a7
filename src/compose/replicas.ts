// The other replicas: how this one is found by them, how it asks them for a running fill, and what it answers. Part of compose.
import { networkInterfaces } from 'node:os'
import type { HttpSecret } from '../cluster/http-secret.ts'
import { isEveryAddress, parseListenTarget } from '../config/listen-target.ts'
import type { Config } from '../config/load.ts'
import type { OpenServer, ServerOptions } from '../http/server.ts'
import { isSignedByPeer, signatureHeader, signPeer } from '../cluster/peer-signature.ts'
import { type PeerAccess, peerPath } from '../http/handlers/peers.ts'
import type { Clock } from '../lib/clock.ts'
import { urlHost } from '../lib/url-host.ts'
import { OnDemandSources } from '../mirror/on-demand-sources.ts'
import type { PullThrough } from '../mirror/pull-through.ts'
import type { Peers } from '../mirror/shared-transfers.ts'
import type { Log } from '../telemetry/log.ts'
import { RemoteContent } from '../upstream/remote-content.ts'

/** The running server, and how another one like it is opened. */
export interface Serving {
  readonly server: OpenServer
  /** `undefined`: there is no debug address. */
  readonly debugPort: number | undefined
  open(listen: ServerOptions['listen']): Promise<OpenServer>
}

/**
 * Where the other replicas reach this one, with http.prefix: `cluster.advertise`, or the address that is listened on where it names
 * a host, or else the first address of an interface that is not for this machine alone.
 */
export function addressOf({ http, cluster }: Config, { port }: Pick<OpenServer, 'port'>): string {
  const scheme = http.tls === undefined ? 'http' : 'https'
  const { advertise } = cluster
  if (advertise?.includes('://') === true) return advertise.replace(/\/+$/, '')
  return `${scheme}://${advertise ?? `${urlHost(reachableHost(http))}:${port}`}${http.prefix.replace(/\/+$/, '')}`
}

/** Workers of one host share a port, so each has one more, for the others. Answers its address. */
export async function openOwnPort(
  config: Config,
  hasOtherHosts: boolean,
  { open }: Serving,
  building: AsyncDisposableStack,
): Promise<string> {
  const host = hasOtherHosts ? reachableHost(config.http) : '127.0.0.1'
  const { port } = building.use(await open({ host, port: 0, exclusive: true }))
  return `http://${urlHost(host)}:${port}${config.http.prefix.replace(/\/+$/, '')}`
}

export function reachableHost({ net, addr }: Config['http']): string {
  const listening = parseListenTarget(net, addr)
  const host = 'path' in listening ? undefined : listening.host
  return host === undefined || isEveryAddress(host) ? ownAddress() : host
}

function ownAddress(): string {
  const addresses = Object.values(networkInterfaces()).flatMap((each) => each ?? [])
  const outside = addresses.filter(({ internal, address }) => !internal && !/^(?:fe80:|169\.254\.)/.test(address))
  return (outside.find(({ family }) => family === 'IPv4') ?? outside[0])?.address ?? '127.0.0.1'
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
export function openPeers(self: () => string, secret: HttpSecret, parts: PeerParts, building: AsyncDisposableStack): Peers {
  const open = (node: string) =>
    new RemoteContent({
      url: `${node}${peerPath}`,
      trustedRealms: [],
      // Blobs are verified by their digest, and the requests carry no secret: whose certificate it is does not matter here.
      insecure: true,
      connectTimeoutMs: peerConnectMs,
      bodyIdleTimeoutMs: peerIdleMs,
      userAgent: parts.userAgent,
      sign: (method, url) => ({ [signatureHeader]: signPeer(secret.current, method, `${url.pathname}${url.search}`, parts.clock.now()) }),
      clock: parts.clock,
      log: parts.log,
    })
  const nodes = building.use(new OnDemandSources(open, parts.log))
  return {
    get self() {
      return self()
    },
    openBlob: (node, { repository, digest, range }, signal) => nodes.of(node).openBlob(repository, digest, range, signal),
  }
}

/** What this replica answers the others. */
export function peerAccessOf(secret: HttpSecret, mirror: PullThrough, clock: Clock): PeerAccess {
  return {
    findBlob: mirror.findRunning.bind(mirror),
    isPeer: (request) => secret.all.some((each) => isSignedByPeer(each, request, clock.now())),
    signatureHeader,
  }
}
