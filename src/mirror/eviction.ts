// Makes room: roots that were not used for long go, least lately used first, until the limits are kept; expired ones go anyway. Fills
// ask here before they write, so that what is on its way in counts as if it were there.
import type { EvictionOutcome, EvictionTarget } from '../content-sink.ts'
import { awaitedLease, type HeldLease } from '../cluster/held-lease.ts'
import type { Leases } from '../cluster/leases.ts'
import type { Clock } from '../lib/clock.ts'
import type { DiskSpace } from '../lib/disk-space.ts'
import type { RepositoryName } from '../oci/names.ts'
import type { Log } from '../telemetry/log.ts'
import { type EvictionReason, type PlannedEviction, victims, type Wanted } from './eviction-plan.ts'
import { canFit, limitsOf, pressureOf, type ResidencyFacts, type ResidencyLimits, type SizeLimit } from './residency.ts'
import type { Reservation, Room } from './room.ts'
import type { Imagined, Root, UsageIndex } from './usage-index.ts'

/** Limits are looked at so often even when nothing comes in: others may fill the disk. Expiry, too. */
const mostIdleMs = 60_000
const leastIdleMs = 1000
/** Rounds in which a fill may find that others have taken the room that was made for it. */
const mostRounds = 3

/** Told of what went. */
export interface EvictionFacts {
  evicted(reason: EvictionReason, bytes: number): void
}

export interface EvictionParts {
  readonly usage: {
    index(): Promise<UsageIndex>
    flush(): Promise<void>
    settled(): Promise<void>
    /** False while the index is being made: nobody knows yet what is here. */
    readonly isReady: boolean
  }
  readonly store: {
    openEviction(isOwn: EvictionParts['isOwn'], signal: AbortSignal): Promise<(target: EvictionTarget) => Promise<EvictionOutcome>>
  }
  /** `undefined`: nobody knows. Never rejects. */
  readonly disk: () => Promise<DiskSpace | undefined>
  readonly policy: {
    readonly maxSize: SizeLimit | undefined
    readonly minFree: SizeLimit | undefined
    /** From the last use on; 0 or less: for ever. */
    readonly ttlMs: number
    readonly pins: readonly string[]
  }
  readonly isOwn: ((repository: RepositoryName) => boolean) | undefined
  readonly facts: EvictionFacts
  /** Of all who may evict from this store. */
  readonly leases: Leases
  /** Tells what this process has reserved in all, in bytes; answers what the others on this store have. `undefined`: there are none. */
  readonly shareReserved?: ((bytes: number) => Promise<number>) | undefined
  /** What is wrong with the room in one sentence; `undefined`: nothing any more. */
  readonly tell: (trouble: string | undefined) => void
  readonly clock: Clock
  readonly log: Log
}

export class Eviction implements Room, AsyncDisposable {
  readonly #parts: EvictionParts
  readonly #stop = new AbortController()
  #reservedBytes = 0
  #running: Promise<void> | undefined
  #watching: Promise<void> = Promise.resolve()
  #turn: Promise<void> = Promise.resolve()
  #isFull = false
  #seen: (ResidencyFacts & ResidencyLimits) | undefined

  constructor(parts: EvictionParts) {
    this.#parts = parts
  }

  /** From now on limits and expiry are looked at now and then. */
  start(): void {
    this.#watching = this.#watch()
  }

  async reserve(bytes: number): Promise<Reservation | undefined> {
    const { maxSize, minFree } = this.#parts.policy
    if (maxSize === undefined && minFree === undefined) return noReservation
    // One after the other: who comes later must not take into account what is refused to others.
    const turn = this.#turn.then(() => this.#take(bytes))
    this.#turn = turn.then(() => undefined)
    return turn
  }

  /** What would go now, in this order. `reach`: bytes that go at least; what the limits ask for when not given. */
  async *plan(reach?: number): AsyncGenerator<PlannedEviction, void, void> {
    await this.#parts.usage.flush()
    const pressure = (await this.#pressure()) ?? { reason: 'size' as const, bytes: 0 }
    yield* this.#victims(reach === undefined ? pressure : { reason: 'size', bytes: reach }, new Map())
  }

  /** Evicts what the limits and expiry ask for. Rejects when the index or the store cannot be used. */
  run(): Promise<void> {
    this.#running ??= this.#evict().finally(() => {
      this.#running = undefined
    })
    return this.#running
  }

  /** Evicts this, whatever its last use or pins say. Answers the bytes that were freed. */
  async evict(roots: readonly Root[]): Promise<number> {
    const index = await this.#parts.usage.index()
    const remove = await this.#parts.store.openEviction(this.#parts.isOwn, this.#stop.signal)
    let bytes = 0
    for (const root of roots) {
      const removal = await index.removalOf(root)
      bytes += await this.#carryOut({ root, reason: 'asked', removal }, index, remove)
    }
    return bytes
  }

  /** As it was when it was looked at last: from memory. */
  get seen(): (ResidencyFacts & ResidencyLimits) | undefined {
    return this.#seen
  }

  /** What the limits are about, now. */
  async standing(): Promise<ResidencyFacts & ResidencyLimits> {
    const [totals, disk, others] = await Promise.all([
      (await this.#parts.usage.index()).totals(),
      this.#parts.disk(),
      this.#shareReserved(),
    ])
    const { maxSize, minFree } = this.#parts.policy
    const facts = { storedBytes: totals.bytes, reservedBytes: this.#reservedBytes + others, freeBytes: disk?.freeBytes }
    this.#seen = { ...facts, ...limitsOf(maxSize, minFree, disk?.totalBytes) }
    return this.#seen
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    await this.#watching
    await this.#running?.catch(() => undefined)
  }

  /** Never rejects. */
  async #take(bytes: number): Promise<Reservation | undefined> {
    this.#reservedBytes += bytes
    try {
      if (!this.#parts.usage.isReady || (await this.#hasRoom())) return this.#reservation(bytes)
    } catch (error) {
      // Without an index nobody knows what may go; a cache that stops caching would be worse than one that is too large for a while.
      this.#parts.log.error({ error }, 'no room can be made: the index of what is here, or the store, is in trouble')
      return this.#reservation(bytes)
    }
    this.#unreserve(bytes)
    return undefined
  }

  #unreserve(bytes: number): void {
    this.#reservedBytes -= bytes
    void this.#shareReserved()
  }

  /** Never rejects. */
  async #shareReserved(): Promise<number> {
    return (await this.#parts.shareReserved?.(this.#reservedBytes).catch(() => 0)) ?? 0
  }

  async #hasRoom(): Promise<boolean> {
    if (!canFit(this.#reservedBytes, await this.standing())) return false
    for (let round = 0; round < mostRounds; round += 1) {
      if ((await this.#pressure()) === undefined) return this.#tellRoom(true)
      await this.run()
    }
    return this.#tellRoom((await this.#pressure()) === undefined)
  }

  #tellRoom(hasRoom: boolean): boolean {
    if (hasRoom === !this.#isFull) return hasRoom
    this.#isFull = !hasRoom
    const trouble = 'there is no room for new content, and nothing that may go: it is passed on without being kept'
    this.#parts.tell(hasRoom ? undefined : trouble)
    if (hasRoom) this.#parts.log.info({}, 'there is room again: new content is kept')
    else this.#parts.log.error({ reservedBytes: this.#reservedBytes }, trouble)
    return hasRoom
  }

  async #pressure(): Promise<Wanted | undefined> {
    const standing = await this.standing()
    return pressureOf(standing, standing)
  }

  #reservation(bytes: number): Reservation {
    let isHeld = true
    return {
      release: () => {
        if (!isHeld) return
        isHeld = false
        void this.#parts.usage.settled().then(() => this.#unreserve(bytes))
      },
    }
  }

  async #evict(): Promise<void> {
    const { usage, store, policy, isOwn, log } = this.#parts
    if (!usage.isReady) return
    await usage.flush()
    if (policy.ttlMs <= 0 && (await this.#pressure()) === undefined) return
    await using held = await this.#alone()
    // Another process may have made the room meanwhile.
    await usage.flush()
    const index = await usage.index()
    const pressure = (await this.#pressure()) ?? { reason: 'size' as const, bytes: 0 }
    let remove: ((target: EvictionTarget) => Promise<EvictionOutcome>) | undefined
    const totals = { roots: 0, bytes: 0 }
    for await (const planned of this.#victims(pressure, undefined)) {
      if (held?.signal.aborted === true) return
      remove ??= await store.openEviction(isOwn, this.#stop.signal)
      totals.bytes += await this.#carryOut(planned, index, remove)
      totals.roots += 1
    }
    if (totals.roots === 0) return
    log.info({ ...totals, wantedBytes: pressure.bytes, reason: pressure.reason }, 'evicted what was not used for long')
    // Who evicts next is to know what went.
    await usage.flush()
  }

  /** `undefined`: nobody can be asked who evicts now. A disk that fills up is worse than two that evict: what is gone goes no second time. */
  async #alone(): Promise<HeldLease | undefined> {
    const { signal } = this.#stop
    try {
      return await awaitedLease(this.#parts.leases, 'eviction', signal)
    } catch (error) {
      signal.throwIfAborted()
      this.#parts.log.debug({ error }, 'eviction goes on without its lease')
      return undefined
    }
  }

  #victims(pressure: Wanted, imagined: Imagined | undefined): AsyncGenerator<PlannedEviction, void, void> {
    return victims({ ...this.#parts, signal: this.#stop.signal }, pressure, imagined)
  }

  async #carryOut(
    { root, reason, removal }: PlannedEviction,
    index: UsageIndex,
    remove: (target: EvictionTarget) => Promise<EvictionOutcome>,
  ): Promise<number> {
    const { facts, log } = this.#parts
    const { repository, tags, digest, usedAt } = root
    const { bytes, isSpared } = await remove({ repository, tags, links: removal.links, blobs: removal.blobs.map((blob) => blob.digest) })
    if (isSpared) return 0
    for (const link of removal.links) await index.drop(repository, link.digest)
    facts.evicted(reason, bytes)
    log.debug({ repository, digest, tags, usedAt, reason, bytes }, 'evicted')
    return bytes
  }

  async #watch(): Promise<void> {
    const { policy, clock, log } = this.#parts
    const idleMs = policy.ttlMs > 0 ? Math.min(mostIdleMs, Math.max(leastIdleMs, policy.ttlMs / 4)) : mostIdleMs
    const { signal } = this.#stop
    for (;;) {
      await clock.sleep(idleMs, signal).catch(() => undefined)
      if (signal.aborted) return
      await this.run().catch((error: unknown) => signal.aborted || log.error({ error }, 'eviction failed, and will be tried again'))
    }
  }
}

const noReservation: Reservation = { release: () => undefined }
