// `proxy` of the configuration → the mirror: its upstreams, what they are called, and who may pull what. Part of compose.
import { readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Config } from '../config/load.ts'
import type { ContentSource, TransferSource } from '../content.ts'
import type { PeerAccess } from '../http/handlers/peers.ts'
import type { NameOf } from '../http/request-names.ts'
import type { Clock } from '../lib/clock.ts'
import { registryUrlOf } from '../lib/registry-hosts.ts'
import { AdmittedContent, createAdmission } from '../mirror/admission.ts'
import { EqualSources } from '../mirror/equal-sources.ts'
import { isDockerHub } from '../mirror/namespaces.ts'
import { OfflineContent } from '../mirror/offline.ts'
import { OnDemandSources } from '../mirror/on-demand-sources.ts'
import { NegativeAnswers } from '../mirror/negative-answers.ts'
import type { OpenFillTransfers } from '../mirror/fill-transfers.ts'
import { PullThrough } from '../mirror/pull-through.ts'
import { RoutedUpstreams, type RoutedUpstreamsOptions } from '../mirror/routed-upstreams.ts'
import type { Room } from '../mirror/room.ts'
import { createRouting, nameOf, type RoutingRules } from '../mirror/routing.ts'
import { sharedTransfers } from '../mirror/shared-transfers.ts'
import type { Counting } from './metrics.ts'
import type { RepositoryName } from '../oci/names.ts'
import type { StorageDriver } from '../store/driver.ts'
import type { LocalContent } from '../store/local-content.ts'
import type { Log } from '../telemetry/log.ts'
import type { TagRule } from '../mirror/tag-policies.ts'
import type { Callers } from '../upstream/callers.ts'
import { RemoteContent } from '../upstream/remote-content.ts'
import type { Cluster } from './cluster.ts'
import { openPeers, peerAccessOf } from './replicas.ts'

type Proxy = NonNullable<Config['proxy']>
/** What it takes to talk to one registry, in each place where the configuration has it. */
type Remote = Omit<Proxy['mirrors'][number], 'remoteurl'>

export interface MirrorParts {
  readonly driver: StorageDriver
  readonly local: LocalContent
  readonly log: Log
  readonly clock: Clock
  readonly userAgent: string
  readonly cluster: Pick<Cluster, 'shared' | 'secret'>
  readonly room?: Room | undefined
  readonly counting: Counting
}

export interface Mirror {
  /** What upstream says of whom; `undefined`: there is none to ask. */
  readonly callers: MirrorCallers | undefined
  readonly content: ContentSource
  /** `undefined`: every repository is. */
  readonly isAdmitted: ((repository: RepositoryName) => boolean) | undefined
  /** `undefined`: offline. */
  readonly running: Pick<PullThrough, 'fills' | 'outages' | 'refresh'> | undefined
  /** `undefined`: nobody else asks for what is being filled here. */
  readonly peers: PeerAccess | undefined
  readonly nameOf: NameOf
}

interface MirrorCallers {
  readonly rules: RoutingRules
  readonly questionsTo: (host: string | undefined) => Callers
}

/** What it opens is closed with `building`. Throws Errors that name the configuration key. Asks nobody anything. */
export async function openMirror(proxy: Proxy, parts: MirrorParts, building: AsyncDisposableStack): Promise<Mirror> {
  const rules = routingOf(proxy)
  const { local, cluster, clock } = parts
  const upstreams = proxy.offline ? undefined : openUpstreams(proxy, parts, building)
  const pullThrough = upstreams && (await openPullThrough(proxy, { rules, sourceOf: upstreams.sourceOf }, parts, building))
  const content = pullThrough ?? new OfflineContent(local)
  const isAdmitted = createAdmission(proxy.repositories, rules)
  return {
    callers: upstreams && { rules, questionsTo: upstreams.callersOf },
    isAdmitted,
    running: pullThrough,
    content: isAdmitted === undefined ? content : new AdmittedContent(content, isAdmitted),
    peers: cluster.shared === undefined || pullThrough === undefined ? undefined : peerAccessOf(await cluster.secret(), pullThrough, clock),
    nameOf: (ns, name) => nameOf(rules, ns, name),
  }
}

function routingOf(proxy: Proxy): RoutingRules {
  const main = new URL(proxy.remoteurl)
  return createRouting({
    main,
    libraryPrefix: proxy.libraryprefix ?? isDockerHub(main),
    hosts: Object.keys(proxy.upstreams).filter((host) => host !== '*'),
    onDemand: proxy.upstreams['*']?.allow,
  })
}

async function openPullThrough(
  proxy: Proxy,
  routed: RoutedUpstreamsOptions,
  parts: MirrorParts,
  building: AsyncDisposableStack,
): Promise<PullThrough> {
  const { local, driver, clock, log } = parts
  const shared = parts.cluster.shared?.facts
  const upstream = new NegativeAnswers({ source: new RoutedUpstreams(routed), ttlMs: proxy.negativettl, shared, clock })
  return building.use(
    await PullThrough.open({
      local,
      upstream,
      shared,
      ...(await sharedFills(upstream, parts, building)),
      policy: {
        ttlSeconds: proxy.tags.ttl / 1000,
        staleWhileRevalidateSeconds: proxy.tags.stalewhilerevalidate / 1000,
        staleIfErrorSeconds: proxy.tags.staleiferror / 1000,
        staleIfDenied: proxy.tags.staleifdenied,
        staleIfDeleted: proxy.tags.staleifdeleted,
        quotaReserve: proxy.quota.reserve,
        revalidateTimeoutMs: proxy.tags.revalidatetimeout,
        rules: proxy.tags.rules.map(tagRuleOf),
      },
      room: parts.room,
      spoolFolder: driver.spoolFolder ?? join(tmpdir(), 'entrepot-fills'),
      clock,
      log,
      facts: parts.counting.facts,
    }),
  )
}

/** Among several processes each blob is fetched by one of them. */
async function sharedFills(
  source: TransferSource,
  parts: MirrorParts,
  building: AsyncDisposableStack,
): Promise<{ transfersOf?: OpenFillTransfers }> {
  const { local, clock, log, cluster } = parts
  const { shared } = cluster
  if (shared === undefined) return {}
  const peers = openPeers(shared.self, await cluster.secret(), parts, building)
  return { transfersOf: sharedTransfers({ source, local, leases: shared.leases, peers, clock, log }) }
}

function tagRuleOf({ match, ttl, stalewhilerevalidate, staleiferror }: Proxy['tags']['rules'][number]): TagRule {
  return {
    match,
    ...(ttl === undefined ? {} : { ttlSeconds: ttl / 1000 }),
    ...(stalewhilerevalidate === undefined ? {} : { staleWhileRevalidateSeconds: stalewhilerevalidate / 1000 }),
    ...(staleiferror === undefined ? {} : { staleIfErrorSeconds: staleiferror / 1000 }),
  }
}

/** Of the registry of a host; of `undefined`, of the main one. */
interface Upstreams {
  /** What content comes from. */
  readonly sourceOf: (host: string | undefined) => TransferSource
  /** What the registry itself, and none of its mirrors, says of callers. */
  readonly callersOf: (host: string | undefined) => Callers
}

function openUpstreams(proxy: Proxy, parts: MirrorParts, building: AsyncDisposableStack): Upstreams {
  const openWithMirrors = (key: string, url: string, { mirrors, ...remote }: Remote & Pick<Proxy, 'mirrors'>) => {
    const opened = (at: string, source: string, its: Remote) => ({
      name: new URL(source).host,
      source: opener(at, its, proxy, parts)(source),
    })
    const origin = opened(key, url, remote)
    const sources = [...mirrors.map((mirror, at) => opened(`${key}.mirrors[${at}]`, mirror.remoteurl, mirror)), origin]
    for (const { source } of sources) building.defer(() => source.close())
    const source = mirrors.length === 0 ? origin.source : new EqualSources({ sources, clock: parts.clock, log: parts.log })
    return { source, callers: origin.source.callers }
  }
  const main = openWithMirrors('proxy', proxy.remoteurl, proxy)
  const { '*': any = noRemote, ...named } = proxy.upstreams
  const others = new Map(
    Object.entries(named).map(([key, upstream]) => {
      const host = key.toLowerCase()
      return [host, openWithMirrors(`proxy.upstreams.${key}`, upstream.remoteurl ?? registryUrlOf(host), upstream)]
    }),
  )
  const openAny = opener("proxy.upstreams['*']", any, proxy, parts)
  const onDemand = building.use(new OnDemandSources((host) => openAny(registryUrlOf(host)), parts.log))
  const openedFor = (host: string | undefined) => (host === undefined ? main : others.get(host))
  return {
    sourceOf: (host) => openedFor(host)?.source ?? onDemand.of(host ?? ''),
    callersOf: (host) => openedFor(host)?.callers ?? onDemand.of(host ?? '').callers,
  }
}

const noRemote: Remote = { insecure: false }

/** Opens registries that are talked to in the same way. Connects to nothing. */
function opener(key: string, remote: Remote, proxy: Proxy, parts: MirrorParts): (url: string) => RemoteContent {
  const { username, password, exec, insecure } = remote
  const ca = remote.ca === undefined ? undefined : readCertificates(key, remote.ca)
  return (url) => {
    const { host } = new URL(url)
    const opened = new RemoteContent({
      url,
      username,
      password,
      exec: exec === undefined ? undefined : { command: exec.command, lifetimeMs: exec.lifetime },
      trustedRealms: proxy.trustedrealms,
      ca,
      insecure,
      connectTimeoutMs: proxy.connecttimeout,
      headersTimeoutMs: proxy.responseheadertimeout,
      bodyIdleTimeoutMs: proxy.bodyidletimeout,
      userAgent: parts.userAgent,
      clock: parts.clock,
      log: parts.log,
      facts: parts.counting.facts.upstream(host),
      shared: parts.cluster.shared?.facts,
    })
    parts.counting.watch(host, username ?? '', opened)
    return opened
  }
}

function readCertificates(key: string, file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new Error(`${key}.ca: cannot read ${file}`, { cause: error })
  }
}
