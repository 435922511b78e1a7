// All blobs on their way in: whoever asks for one joins its fill, or starts it. One upstream transfer per blob, however many ask.
import { setMaxListeners } from 'node:events'
import pLimit from 'p-limit'
import type { BlobDescription, BlobHandle, TransferSource } from '../content.ts'
import { waitFor } from '../lib/abort.ts'
import { SingleFlight } from '../lib/single-flight.ts'
import type { Digest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/names.ts'
import { Fill } from './fill.ts'
import type { FillParts } from './fill-start.ts'
import type { OpenFillTransfers } from './fill-transfers.ts'
import { forReplica } from './followers.ts'

/** Fills at a time; further ones wait for their turn. Well above what clients ask for at once, below what looks like abuse upstream. */
const mostFills = 256

interface Running {
  /** On whose behalf upstream was asked: its refusal says nothing about another repository. */
  readonly repository: RepositoryName
  readonly fill: Promise<Fill | undefined>
  readonly startedAt: number
  /** The fill, once it has begun. */
  begun?: Fill
}

/** What is known of a fill while it runs. */
export interface FillProgress {
  readonly repository: RepositoryName
  readonly digest: Digest
  /** That have come. */
  readonly bytes: number
  /** `undefined`: upstream has not said yet. */
  readonly size: number | undefined
  /** Clients that read from it right now. */
  readonly readers: number
  readonly startedAt: number
}

export interface FillsParts extends Omit<FillParts, 'transfers'> {
  readonly source: TransferSource
  readonly transfersOf: OpenFillTransfers
}

export class Fills implements AsyncDisposable {
  readonly #parts: FillsParts
  readonly #running = new Map<Digest, Running>()
  readonly #confirmations = new SingleFlight<string, BlobDescription | undefined>()
  readonly #stop = new AbortController()
  readonly #limit = pLimit(mostFills)

  constructor(parts: FillsParts) {
    this.#parts = parts
    setMaxListeners(0, this.#stop.signal)
  }

  /**
   * Joins the fill that is bringing `digest` in, or starts it. Resolves when the size is known, before the first byte has come.
   * `undefined`: upstream has no such blob in this repository. Throws UpstreamFailure.
   * `signal` ends the caller's wait only; the fill goes on for the others, and for the store.
   */
  async join(repository: RepositoryName, digest: Digest, signal: AbortSignal): Promise<BlobHandle | undefined> {
    for (;;) {
      const running = this.#running.get(digest)
      if (running === undefined) return (await waitFor(this.#start(repository, digest), signal))?.handle('miss')
      const isOurs = running.repository === repository
      const fill = await waitFor(isOurs ? running.fill : running.fill.catch(() => undefined), signal)
      if (fill === undefined && isOurs) return undefined
      if (fill === undefined || fill.isOver) {
        // Its partial file must be gone before the next one is begun.
        await fill?.settled
        this.#forget(digest, running)
      } else if (isOurs || (await this.#admit(fill, repository, signal))) {
        this.#parts.facts.fill('joined')
        return fill.handle('filling')
      } else {
        return undefined
      }
    }
  }

  /** The fill that runs here, for a replica that must not start one here. `undefined`: none, or upstream has no such blob in this repository. */
  async running(repository: RepositoryName, digest: Digest, signal: AbortSignal): Promise<BlobHandle | undefined> {
    const fill = await waitFor(this.#running.get(digest)?.fill ?? Promise.resolve(undefined), signal)
    if (fill === undefined || fill.isOver || !(await this.#admit(fill, repository, signal))) return undefined
    return forReplica(fill.handle('filling'), fill.followers)
  }

  /** The size of a blob that is on its way into this repository. */
  async describe(repository: RepositoryName, digest: Digest, signal: AbortSignal): Promise<BlobDescription | undefined> {
    const running = this.#running.get(digest)
    if (running === undefined) return undefined
    // What upstream says of another repository says nothing about this one.
    const fill = await waitFor(running.repository === repository ? running.fill : running.fill.catch(() => undefined), signal)
    return fill?.isFor(repository) === true ? fill.handle('filling') : undefined
  }

  /** Asks upstream whether this repository has the blob, without bringing it in. Throws UpstreamFailure. */
  confirm(repository: RepositoryName, digest: Digest, signal: AbortSignal): Promise<BlobDescription | undefined> {
    const ask = () => this.#parts.source.describeBlob(repository, digest, this.#stop.signal)
    return waitFor(this.#confirmations.run(`${repository}@${digest}`, ask), signal)
  }

  /** Whether the blob is on its way in, for any repository. */
  has(digest: Digest): boolean {
    return this.#running.has(digest)
  }

  /** All that run here, the oldest first. */
  list(): FillProgress[] {
    return [...this.#running].map(([digest, { repository, startedAt, begun }]) => {
      const { kept, size = 0, readers = 0 } = begun ?? {}
      return { repository, digest, bytes: kept?.bytes ?? 0, size: size === 0 ? undefined : size, readers, startedAt }
    })
  }

  /** Stops all fills; what has come so far stays for the next process. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error('the mirror is stopping'))
    const fills = await Promise.allSettled([...this.#running.values()].map(({ fill }) => fill))
    for (const outcome of fills) if (outcome.status === 'fulfilled') await outcome.value?.settled
  }

  /** Whether upstream says that this repository, too, has the blob; then it will be linked. */
  async #admit(fill: Fill, repository: RepositoryName, signal: AbortSignal): Promise<boolean> {
    if (fill.isFor(repository)) return true
    if ((await this.confirm(repository, fill.digest, signal)) === undefined) return false
    await fill.alsoFor(repository)
    return true
  }

  #start(repository: RepositoryName, digest: Digest): Promise<Fill | undefined> {
    const running: Running = { repository, fill: this.#begin(repository, digest), startedAt: this.#parts.clock.now() }
    this.#running.set(digest, running)
    const forget = () => this.#forget(digest, running)
    // Once the store has it, or nothing came of it, the next who asks starts afresh.
    running.fill.then((fill) => {
      if (fill === undefined) return forget()
      running.begun = fill
      return fill.settled.finally(forget)
    }, forget)
    return running.fill
  }

  /** A fill has its place among those of the same time until it is over, not only until it has begun. */
  #begin(repository: RepositoryName, digest: Digest): Promise<Fill | undefined> {
    return new Promise((resolve, reject) => {
      const work = async () => {
        await using transfers = this.#parts.transfersOf(repository, digest)
        const fill = await Fill.begin({ ...this.#parts, transfers }, repository, digest, this.#stop.signal)
        resolve(fill)
        await fill?.settled
      }
      this.#limit(work).catch(reject)
    })
  }

  #forget(digest: Digest, running: Running): void {
    if (this.#running.get(digest) === running) this.#running.delete(digest)
  }
}
