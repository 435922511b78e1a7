// One fill per cluster. Who holds the lease of a blob fetches it from upstream; the others stream it from the holder while it grows.
//
//   holder    upstream ──► fill ──► clients            (lease fill:<digest> until the store has the blob)
//                           └─────► follower's fill ──► clients
//
// When the holder dies its lease ends, a follower takes it over, and goes on upstream from the bytes that it has.
import type { Lease, Leases } from '../cluster/leases.ts'
import {
  type BlobTransfer,
  type ContentSource,
  type TransferRange,
  type TransferSource,
  UpstreamFailure,
  type UpstreamFailureKind,
} from '../content.ts'
import type { Clock } from '../lib/clock.ts'
import type { Digest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/names.ts'
import { errorText, type Log } from '../telemetry/log.ts'
import type { FillTransfers, OpenFillTransfers } from './fill-transfers.ts'
import { answerOfHolder, untilHolderIsGone } from './holder-watch.ts'
import { holdBackMs } from './take-over.ts'

/** Between two looks at who holds the lease. */
const lookMs = 200
/** Well above the life of a lease: who cannot find out what the holder does in so long asks upstream on its own. */
const patienceMs = 45_000
/** Who has lost the replica that it followed waits so long for a Redis that is away: others may be about to go on upstream, too. */
const awayPatienceMs = 5_000
/** For the holder's upload to the store; a blob that is stored twice is only a waste. */
const commitPatienceMs = 600_000

/** Failures that a replica tells of, not those of reaching it. */
const answers: ReadonlySet<UpstreamFailureKind> = new Set(['denied', 'rate-limited', 'unavailable'])

/** The other replicas. */
export interface Peers {
  /** This node, as `Leases.holderOf` names it to the others. */
  readonly self: string
  /** The blob from the fill that runs there. `undefined`: none does. Throws UpstreamFailure: the node cannot be asked, or broke. */
  openBlob(
    node: string,
    wanted: { readonly repository: RepositoryName; readonly digest: Digest; readonly range: TransferRange | undefined },
    signal: AbortSignal,
  ): Promise<BlobTransfer | undefined>
}

export interface SharedTransfersParts {
  readonly source: TransferSource
  readonly local: ContentSource
  readonly leases: Leases
  readonly peers: Peers
  readonly clock: Clock
  readonly log: Log
}

export function sharedTransfers(parts: SharedTransfersParts): OpenFillTransfers {
  return (repository, digest) => new SharedTransfers(parts, repository, digest)
}

/** For where bytes can be had now. */
interface Search {
  readonly since: number
  readonly range: TransferRange | undefined
  /** Whether the replica that fetched cannot be reached. */
  hasLostHolder: boolean
  /** Since when nobody holds the lease; `undefined`: somebody does. */
  freeSince: number | undefined
}

class SharedTransfers implements FillTransfers {
  readonly #parts: SharedTransfersParts
  readonly #repository: RepositoryName
  readonly #digest: Digest
  #lease: Lease | undefined
  #isOver = false
  /** What another replica gave. */
  #followed: { readonly size: number | undefined } | undefined

  constructor(parts: SharedTransfersParts, repository: RepositoryName, digest: Digest) {
    this.#parts = parts
    this.#repository = repository
    this.#digest = digest
  }

  async open(range: TransferRange | undefined, signal: AbortSignal): Promise<BlobTransfer | undefined> {
    const { clock, log } = this.#parts
    const search: Search = { since: clock.now(), range, hasLostHolder: this.#followed !== undefined, freeSince: undefined }
    for (let isConfirmed = false; ; ) {
      const turn = await this.#turn(search)
      if (turn === 'upstream') return this.#fromUpstream(range, signal)
      // Another node may have completed it between our look at the store and our lease.
      const held = turn === 'theirs' ? await this.#fromHolder(search, signal) : undefined
      const elsewhere = held === 'refused' || held === undefined ? await this.#fromStore(range, signal) : held
      if (elsewhere !== undefined) return elsewhere
      if (turn === 'ours') return this.#fromUpstream(range, signal)
      if (held === 'refused' && !isConfirmed) {
        if (!(await this.#isUpstream(signal))) return undefined
        isConfirmed = true
      }
      if (clock.now() - search.since >= patienceMs) {
        log.warn({ digest: this.#digest }, 'the replica that fetches a blob does not answer and keeps its lease: fetching it here, too')
        return this.#fromUpstream(range, signal)
      }
      await clock.sleep(lookMs, signal)
    }
  }

  async commitTurn(signal: AbortSignal): Promise<'store' | 'look'> {
    if (this.#isOurs()) return 'store'
    const { leases, log } = this.#parts
    try {
      this.#lease = await leases.acquire(this.#key, AbortSignal.any([signal, AbortSignal.timeout(commitPatienceMs)]))
    } catch (error) {
      log.debug({ digest: this.#digest, reason: errorText(error) }, 'not waiting any longer for who stores the same blob')
    }
    return 'look'
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true
    await this.#lease?.release()
    this.#lease = undefined
  }

  get #key(): string {
    return `fill:${this.#digest}`
  }

  #isOurs(): boolean {
    return this.#lease !== undefined && !this.#lease.signal.aborted
  }

  /** `ours`: just taken. Where nobody can be asked for the lease, everybody fetches: a second transfer is better than none. */
  async #turn(search: Search): Promise<'upstream' | 'ours' | 'theirs'> {
    if (this.#isOver || this.#isOurs()) return 'upstream'
    try {
      if (search.hasLostHolder && (await this.#isLeftToOthers(search))) return 'theirs'
      const lease = await this.#parts.leases.tryAcquire(this.#key)
      if (lease === undefined) return this.#isOurs() ? 'upstream' : 'theirs'
      if (this.#isOver) {
        await lease.release()
        return 'upstream'
      }
      this.#lease = lease
      return 'ours'
    } catch (error) {
      if (this.#followed !== undefined && this.#parts.clock.now() - search.since < awayPatienceMs) return 'theirs'
      this.#parts.log.debug({ digest: this.#digest, reason: errorText(error) }, 'no lease for a blob can be had: fetching it without one')
      return 'upstream'
    }
  }

  /** Throws when nobody can be asked. */
  async #isLeftToOthers(search: Search): Promise<boolean> {
    const { leases, clock } = this.#parts
    const isHeld = (await leases.holderOf(this.#key)) !== undefined
    search.freeSince = isHeld ? undefined : (search.freeSince ?? clock.now())
    if (search.freeSince === undefined) return true
    // A piece in the middle is for one client; it says nothing about what is here.
    const position = search.range?.end === undefined ? (search.range?.start ?? 0) : 0
    return clock.now() - search.freeSince < holdBackMs(position, this.#followed?.size)
  }

  /** `refused`: it answers, and has no such blob for this repository, or not any more. `undefined`: it cannot be asked now. */
  async #fromHolder(search: Search, signal: AbortSignal): Promise<BlobTransfer | 'refused' | undefined> {
    const { leases, peers, clock, log } = this.#parts
    const { range } = search
    const holder = await leases.holderOf(this.#key).catch(() => undefined)
    try {
      if (holder === undefined || holder === peers.self) return undefined
      const watch = { stillHolds: () => this.#stillHolds(holder), clock }
      const opening = peers.openBlob(holder, { repository: this.#repository, digest: this.#digest, range }, signal)
      const transfer = await answerOfHolder(opening, watch)
      if (transfer === undefined) return 'refused'
      this.#followed = { size: transfer.size }
      return untilHolderIsGone(transfer, watch)
    } catch (error) {
      signal.throwIfAborted()
      log.info({ digest: this.#digest, holder, reason: errorText(error) }, 'the replica that fetches a blob cannot be asked for it yet')
      if (error instanceof UpstreamFailure && answers.has(error.kind)) return 'refused'
      search.hasLostHolder = true
      return undefined
    }
  }

  /** The holder may fetch it for a repository that has the blob, while this one has not. Throws UpstreamFailure. */
  async #isUpstream(signal: AbortSignal): Promise<boolean> {
    return (await this.#parts.source.describeBlob(this.#repository, this.#digest, signal)) !== undefined
  }

  /** Also where nobody can be asked: what runs goes on without Redis. */
  async #stillHolds(holder: string): Promise<boolean> {
    try {
      return (await this.#parts.leases.holderOf(this.#key)) === holder
    } catch {
      return true
    }
  }

  async #fromStore(range: TransferRange | undefined, signal: AbortSignal): Promise<BlobTransfer | undefined> {
    const stored = await this.#parts.local.findBlob(this.#repository, this.#digest, signal).catch(() => undefined)
    if (stored === undefined) return undefined
    const { size } = stored.descriptor
    const start = range?.start ?? 0
    const chunks = stored.open({ start, end: range?.end ?? size - 1 }, signal)
    return { size, start, body: size === 0 ? nothing() : copied(chunks), close: () => undefined }
  }

  #fromUpstream(range: TransferRange | undefined, signal: AbortSignal): Promise<BlobTransfer | undefined> {
    return this.#parts.source.openBlob(this.#repository, this.#digest, range, signal)
  }
}

async function* nothing(): AsyncGenerator<Uint8Array> {}

/** The store uses a chunk's memory again; a transfer's chunks are kept for longer. */
async function* copied(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of chunks) yield Uint8Array.from(chunk)
  } catch (error) {
    throw new UpstreamFailure('unreachable', 'the blob left the store while it was read', { cause: error })
  }
}
