// What the admin API looks at, made from the running parts. Part of compose.
import { imageNameOf } from '../admin/image-names.ts'
import type { ImageIndex, Views } from '../admin/views.ts'
import type { NextToGo, Traffic, Upstream } from '../admin/api.ts'
import type { Config } from '../config/load.ts'
import type { Clock } from '../lib/clock.ts'
import type { NameOf } from '../http/request-names.ts'
import type { Eviction } from '../mirror/eviction.ts'
import { createIsOwn } from '../mirror/own-repositories.ts'
import { createPins } from '../mirror/residency.ts'
import type { Usage } from '../mirror/usage.ts'
import { freedBytes, type UsageIndex } from '../mirror/usage-index.ts'
import type { Digest } from '../oci/digest.ts'
import { manifestNeeds } from '../oci/manifest.ts'
import type { RepositoryName } from '../oci/names.ts'
import type { Health } from '../telemetry/health.ts'
import type { Meters } from '../telemetry/meters.ts'
import type { Cluster } from './cluster.ts'
import type { Counting, WatchedUpstream } from './metrics.ts'
import type { Mirror } from './mirror.ts'
import type { Store } from './store.ts'

export interface AdminViewParts {
  readonly userAgent: string
  readonly health: Health
  readonly counting: Counting
  readonly clock: Clock
  readonly store: Store
  readonly usage: Usage | undefined
  readonly eviction: Eviction | undefined
  readonly mirror: Mirror | undefined
  readonly nameOf: NameOf | undefined
  readonly cluster: Pick<Cluster, 'roster'>
}

export function viewsOf(config: Config, parts: AdminViewParts): Views {
  const { health, counting, clock, store, usage, eviction, mirror, nameOf, cluster } = parts
  const isOwn = config.proxy === undefined ? () => true : (createIsOwn(config.proxy.local) ?? (() => false))
  return {
    version: parts.userAgent.replace(/^.*\//, ''),
    mode: config.proxy === undefined ? 'registry' : 'mirror',
    replica: async () => ({ name: cluster.roster.name, others: await cluster.roster.others() }),
    health,
    traffic: () => trafficOf(counting.meters),
    fills: () => mirror?.running?.fills() ?? [],
    upstreams: () => {
      const outages = new Map(mirror?.running?.outages().map((outage) => [outage.upstream, outage]))
      return [...counting.upstreams()].map((watched) => upstreamOf(watched, outages.get(watched.labels[0]), clock.now()))
    },
    space: createSpace(config, parts),
    index: usage === undefined ? undefined : () => flushedIndex(usage, clock),
    configuredPins: config.proxy?.pin ?? [],
    pinnedBy: (patterns, content) => patterns.filter((pattern) => createPins([pattern])?.(content) === true),
    isOwn,
    nameOf: (name) => (nameOf === undefined ? name : nameOf(undefined, name)),
    findManifest: (repository, digest) => store.content.findManifest(repository, digest),
    readBlob: (repository, digest, maxBytes) => readBlob(store, repository, digest, maxBytes),
    actions: {
      refresh: mirror?.running === undefined ? undefined : mirror.running.refresh.bind(mirror.running),
      evict: async (repository, { tag, digest }) => {
        if (usage === undefined || eviction === undefined) return { freedBytes: 0, keptFor: [] }
        return evictImage({ usage, eviction, store }, { repository, tag, digest })
      },
    },
  }
}

const unhurried = new AbortController().signal

const hits: ReadonlySet<string> = new Set(['hit', 'stale', 'revalidated'])

function trafficOf(meters: Meters): Traffic {
  const sum = (name: string, counts: (verdict: string) => boolean) =>
    [...meters.readings(name)].reduce((total, [labels, value]) => (counts(labels[1] ?? '') ? total + value : total), 0)
  const all = () => true
  const pulls = 'entrepot_pulls_total'
  return {
    pulls: sum(pulls, all),
    hits: sum(pulls, (verdict) => hits.has(verdict)),
    stale: sum(pulls, (verdict) => verdict === 'stale'),
    misses: sum(pulls, (verdict) => !hits.has(verdict)),
    servedBytes: sum('entrepot_served_bytes_total', all),
    fetchedBytes: sum('entrepot_fetched_bytes_total', all),
  }
}

type Outage = ReturnType<NonNullable<Mirror['running']>['outages']>[number]

function upstreamOf({ labels: [name, account], remote }: WatchedUpstream, outage: Outage | undefined, now: number): Upstream {
  const { pausedUntil } = remote.standing()
  const circuits = [...remote.openCircuits()].map(([origin, state]) => ({ origin, state }))
  const isOpen = circuits.some(({ origin }) => URL.canParse(origin) && new URL(origin).host === name)
  const isPaused = pausedUntil > now
  return {
    name,
    account: account === '' ? null : account,
    state: isOpen ? 'open' : outage !== undefined ? 'failing' : isPaused ? 'paused' : 'up',
    failingSince: outage === undefined ? null : new Date(outage.since).toISOString(),
    staleAnswers: outage?.staleAnswers ?? 0,
    quota: quotaOf(remote.rateLimit()),
    pausedUntil: isPaused ? new Date(pausedUntil).toISOString() : null,
    circuits,
  }
}

function quotaOf(known: ReturnType<WatchedUpstream['remote']['rateLimit']>): Upstream['quota'] {
  if (known === undefined) return null
  const { limit, remaining, windowSeconds, source, seenAt } = known
  const resetsAt = windowSeconds === undefined ? null : new Date(seenAt + windowSeconds * 1000).toISOString()
  return { limit, remaining, windowSeconds: windowSeconds ?? null, resetsAt, source: source ?? null }
}

/** Of what eviction would take first. */
const mostNext = 8
const spaceAgeMs = 5000
/** Finding out what would go first may take a walk over much that may not go. */
const nextAgeMs = 30_000
const flushAgeMs = 1000

/** A question whose last answer is good for a while; those who ask at once share it. */
function remembered<Answer>(clock: Clock, ageMs: number, ask: () => Promise<Answer>): () => Promise<Answer> {
  let askedAt = Number.NEGATIVE_INFINITY
  let answer: Promise<Answer> | undefined
  return () => {
    if (answer !== undefined && clock.now() - askedAt < ageMs) return answer
    askedAt = clock.now()
    answer = ask()
    answer.catch(() => (answer = undefined))
    return answer
  }
}

function createSpace({ proxy, storage }: Config, { eviction, usage, counting, clock }: AdminViewParts): Views['space'] {
  if (eviction === undefined || usage === undefined) return () => Promise.resolve(undefined)
  const hasLimits = proxy?.maxsize !== undefined || storage.minfree !== undefined || (proxy?.ttl ?? 0) > 0
  const next = remembered(clock, nextAgeMs, () => (hasLimits ? nextOf(eviction) : Promise.resolve([])))
  return remembered(clock, spaceAgeMs, async () => {
    const { storedBytes, highBytes, reservedBytes, minFreeBytes, freeBytes } = await eviction.standing()
    const { blobs } = await (await usage.index()).totals()
    const [disk] = [...counting.meters.readings('entrepot_disk_bytes')]
    return {
      storedBytes,
      blobs,
      limitBytes: highBytes ?? null,
      reservedBytes,
      minFreeBytes: minFreeBytes ?? null,
      diskFreeBytes: freeBytes ?? null,
      diskBytes: disk?.[1] ?? null,
      next: await next(),
    }
  })
}

async function nextOf(eviction: Eviction): Promise<NextToGo[]> {
  const next: NextToGo[] = []
  for await (const { root, reason, removal } of eviction.plan(Number.POSITIVE_INFINITY)) {
    const { repository, tags, digest, usedAt } = root
    const image = imageNameOf({ repository, tag: tags[0], digest })
    next.push({ image, bytes: freedBytes(removal), usedAt: new Date(usedAt).toISOString(), reason })
    if (next.length === mostNext) break
  }
  return next
}

const flushedAt = new WeakMap<Usage, number>()

/** With what was used until now. */
async function flushedIndex(usage: Usage, clock: Clock): Promise<ImageIndex> {
  if (clock.now() - (flushedAt.get(usage) ?? 0) > flushAgeMs) {
    flushedAt.set(usage, clock.now())
    await usage.flush()
  }
  await usage.settled()
  return usage.index()
}

async function readBlob({ content }: Store, repository: RepositoryName, digest: Digest, maxBytes: number): Promise<Uint8Array | undefined> {
  const blob = await content.findBlob(repository, digest)
  if (blob === undefined || blob.descriptor.size > maxBytes) return undefined
  const chunks: Buffer[] = []
  // A chunk's memory is used again.
  for await (const chunk of blob.open(undefined, unhurried)) chunks.push(Buffer.from(chunk))
  return Buffer.concat(chunks)
}

interface Evicting {
  readonly usage: Usage
  readonly eviction: Eviction
  readonly store: Store
}

/** The tag goes; the content goes when no other tag means it; what an index lists goes with it when nothing else lists it. */
async function evictImage(
  { usage, eviction, store }: Evicting,
  {
    repository,
    tag,
    digest,
  }: { readonly repository: RepositoryName; readonly tag: Parameters<UsageIndex['findTag']>[1] | undefined; readonly digest: Digest },
) {
  await usage.flush()
  const index = await usage.index()
  const root = await index.find(repository, digest)
  if (root === undefined) return { freedBytes: 0, keptFor: [] }
  const others = root.tags.filter((each) => each !== tag)
  if (tag !== undefined && others.length > 0) {
    await store.content.removeTag(repository, tag)
    await usage.settled()
    return { freedBytes: 0, keptFor: others }
  }
  const manifest = await store.content.findManifest(repository, digest)
  const listed = manifest === undefined ? [] : (manifestNeeds(manifest.bytes)?.references ?? [])
  let freedBytes = await eviction.evict([root])
  for (const reference of listed) {
    const child = await index.find(repository, reference)
    const isLoose = child !== undefined && child.tags.length === 0 && (await index.parentsOf(child)).length === 0
    if (isLoose) freedBytes += await eviction.evict([child])
  }
  await usage.settled()
  return { freedBytes, keptFor: [] }
}
