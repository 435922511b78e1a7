// Verify and repair: what the scrub finds is fetched again by digest from where it came. For `entrepot verify` and, with
// `storage.scrub`, now and then in the background. Part of compose.
import { heldLease } from '../cluster/held-lease.ts'
import type { Leases } from '../cluster/leases.ts'
import type { Config } from '../config/load.ts'
import type { ContentSource } from '../content.ts'
import type { Clock } from '../lib/clock.ts'
import { createIsOwn } from '../mirror/own-repositories.ts'
import type { LocalContent } from '../store/local-content.ts'
import type { ScrubFinding, ScrubOptions, ScrubTotals } from '../store/scrub.ts'
import type { Log } from '../telemetry/log.ts'
import type { Health } from '../telemetry/health.ts'
import { openCluster } from './cluster.ts'
import { openMirror } from './mirror.ts'
import { createOperation } from './operation.ts'
import { openStore } from './store.ts'
import { openUsage } from './usage.ts'

export interface VerifiedFinding extends ScrubFinding {
  /** found: nothing was tried; restored: it is here again, and right; lost: it cannot be had. */
  readonly outcome: 'found' | 'restored' | 'lost'
}

export interface VerificationParts {
  readonly local: LocalContent
  /** Where to fetch from; `undefined`: nowhere. */
  readonly mirror: ContentSource | undefined
  readonly isOwn: (repository: ScrubFinding['repository']) => boolean
  readonly log: Log
}

/** Findings are told as they are judged. */
export async function verify(
  { local, mirror, isOwn, log }: VerificationParts,
  options: ScrubOptions,
  report: (finding: VerifiedFinding) => void,
  signal: AbortSignal,
): Promise<ScrubTotals> {
  const judge = async (finding: ScrubFinding): Promise<VerifiedFinding['outcome']> => {
    if (!options.isRepair) return 'found'
    if (finding.what === 'link') return 'restored'
    if (mirror === undefined || isOwn(finding.repository)) return 'lost'
    return (await isRefetched(mirror, finding, log, signal)) ? 'restored' : 'lost'
  }
  const onFinding = async (finding: ScrubFinding) => report({ ...finding, outcome: await judge(finding) })
  return local.scrub(options, onFinding, signal)
}

async function isRefetched(
  mirror: ContentSource,
  { repository, digest, kind }: ScrubFinding,
  log: Log,
  signal: AbortSignal,
): Promise<boolean> {
  try {
    if (kind === 'manifest') return (await mirror.findManifest(repository, digest, signal)) !== undefined
    const handle = await mirror.findBlob(repository, digest, signal)
    if (handle === undefined) return false
    // Its last byte comes only when all of them are right.
    for await (const _ of handle.open(undefined, signal)) continue
    return true
  } catch (error) {
    signal.throwIfAborted()
    log.error({ repository, digest, error }, 'damaged content cannot be fetched again')
    return false
  }
}

export interface ToolParts {
  readonly log: Log
  readonly clock: Clock
  readonly userAgent: string
}

/** For the command line, beside a running server or without one. With `isRepair` the usage index is made anew as well. */
export async function verifyStore(
  config: Config,
  { log, clock, userAgent }: ToolParts,
  options: ScrubOptions,
  report: (finding: VerifiedFinding) => void,
): Promise<ScrubTotals> {
  await using building = new AsyncDisposableStack()
  await using store = await openStore(config, { log, clock })
  const { counting } = createOperation(config, { log, clock })
  const cluster = await openCluster(config, { log, clock }, building)
  const parts = { driver: store.driver, local: store.content, log, clock, userAgent, counting, cluster }
  const mirror = config.proxy === undefined || !options.isRepair ? undefined : await openMirror(config.proxy, parts, building)
  const isOwn = isOwnIn(config.proxy)
  const { signal } = new AbortController()
  const totals = await verify({ local: store.content, mirror: mirror?.content, isOwn, log }, options, report, signal)
  const usage = options.isRepair ? openUsage(config, { driver: () => store.driver, cluster: () => cluster, clock, log }) : undefined
  if (usage !== undefined) await building.use(usage).rebuild(store.content)
  return totals
}

/** `storage.scrub`: runs until it is disposed. */
export function startScrubbing(
  { proxy, storage }: Config,
  parts: Omit<VerificationParts, 'isOwn'> & {
    readonly clock: Clock
    readonly health: Pick<Health, 'tell'>
    /** Of all who may repair this store. */
    readonly leases: Leases
  },
): AsyncDisposable {
  const { rate, interval } = storage.scrub
  const { clock, log, health } = parts
  const isOwn = isOwnIn(proxy)
  const isRepair = !storage.maintenance.readonly.enabled
  const options = { isRepair, bytesPerSecond: rate }
  const stop = new AbortController()
  async function run(): Promise<void> {
    const counts = { found: 0, restored: 0, lost: 0 }
    const report = (finding: VerifiedFinding) => {
      counts[finding.outcome] += 1
      log.error(finding, 'the scrub found damaged content')
    }
    try {
      // Throws while Redis is away: the next turn is soon enough.
      await using held = await heldLease(parts.leases, 'scrub', stop.signal)
      if (held === undefined) return
      const { blobs, bytes, damaged } = await verify({ ...parts, isOwn }, options, report, held.signal)
      log.info({ blobs, bytes, damaged: damaged.length, restored: counts.restored, lost: counts.lost }, 'scrubbed what is stored')
      const left = counts.lost + counts.found
      const why = isRepair ? 'could not be fetched again' : 'stay as they are, as storage.maintenance.readonly is on'
      health.tell('scrub', left === 0 ? undefined : `${left} damaged contents ${why}`)
    } catch (error) {
      if (!stop.signal.aborted) log.error({ error }, 'the scrub failed, and will be tried again')
    }
  }
  async function loop(): Promise<void> {
    while (!stop.signal.aborted) {
      await clock.sleep(Math.min(Math.max(interval, 1000), longestSleepMs), stop.signal).catch(() => undefined)
      if (!stop.signal.aborted) await run()
    }
  }
  const ended = loop()
  return {
    async [Symbol.asyncDispose]() {
      stop.abort()
      await ended
    },
  }
}

/** What was pushed here can be had from nowhere else. */
function isOwnIn(proxy: Config['proxy']): VerificationParts['isOwn'] {
  return createIsOwn(proxy?.local ?? []) ?? (() => proxy === undefined)
}

/** What a timer can wait for. */
const longestSleepMs = 2 ** 31 - 1
