// One blob on its way in: written once, read by many while it grows.
//
//   upstream ──► [ partial file, verified only as a whole ] ──► readers, each at its own pace
//                0 ───────────────── visible ≤ size−1 ─── size
//
// `visible` stops one byte short until size and digest are right, so no client ever holds a complete wrong body.
//
//   filling ─┬─► verified   readers get the rest at once; the store takes the file over
//            ├─► failed     readers are cut; nothing is kept
//            └─► unkept     the disk refuses: each reader goes on with a transfer of its own, checked as it passes
import type { Hash } from 'node:crypto'
import { type FileHandle, unlink } from 'node:fs/promises'
import { type BlobHandle, type BlobTransfer, type CacheVerdict, type TransferRange, UpstreamFailure } from '../content.ts'
import { waitFor } from '../lib/abort.ts'
import { algorithmOf, type Digest, digestOf, digestOfHash } from '../oci/digest.ts'
import { mediaTypes } from '../oci/media-types.ts'
import type { RepositoryName } from '../oci/names.ts'
import type { ByteRange } from '../oci/range.ts'
import { FillPace } from './fill-pace.ts'
import { type GrowingBlob, readGrowing, readSettled } from './fill-reader.ts'
import { type FillParts, type FillStart, startFill } from './fill-start.ts'
import { Followers } from './followers.ts'
import { logTrouble, patiently } from './local-trouble.ts'
import { resumingTransfer, type ResumingTransferOptions } from './resuming-transfer.ts'
import type { SpoolFile } from './spool.ts'
import { SpoolWriter } from './spool-writer.ts'

export class Fill implements GrowingBlob {
  readonly digest: Digest
  /** Resolves when the store has the blob, or nothing more will come of this fill. Never rejects. */
  readonly settled: Promise<void>
  state: GrowingBlob['state']
  failure: unknown
  visible: number
  readonly pace: FillPace
  readonly followers: Followers
  /** Clients that read from it right now. */
  readers = 0
  readonly #parts: FillParts
  readonly #signal: AbortSignal
  readonly #repositories: Set<RepositoryName>
  readonly #file: SpoolFile | undefined
  readonly #hash: Hash
  readonly #reservation: FillStart['reservation']
  #size: number | undefined
  /** Bytes in the file, all of them in the hash. */
  #position: number
  #growth = Promise.withResolvers<void>()
  #isWakeScheduled = false
  #isAdopted = false
  #isSettled = false
  #isClosed = false

  private constructor(parts: FillParts, repository: RepositoryName, digest: Digest, start: FillStart, signal: AbortSignal) {
    this.digest = digest
    this.#parts = parts
    this.#signal = signal
    this.#repositories = new Set([repository])
    this.#file = start.file
    this.#hash = start.hash
    this.#reservation = start.reservation
    this.#position = start.position
    this.#size = start.transfer.size
    this.pace = new FillPace({ clock: parts.clock, wake: () => this.#wake() })
    this.followers = new Followers({ size: this.size, filled: () => this.#position, clock: parts.clock })
    this.visible = start.position
    this.state = start.file === undefined ? 'unkept' : 'filling'
    parts.facts.fill('started')
    if (start.file === undefined) parts.facts.fill('unkept')
    this.settled = this.#live(start.transfer)
  }

  /**
   * Resolves when the size is known, before the first byte has come. `undefined`: upstream has no such blob.
   * Throws UpstreamFailure. `signal` ends the fill itself; what came so far stays in the spool then.
   */
  static async begin(parts: FillParts, repository: RepositoryName, digest: Digest, signal: AbortSignal): Promise<Fill | undefined> {
    const start = await startFill(parts, repository, digest, signal)
    if (start === undefined) return undefined
    const fill = new Fill(parts, repository, digest, start, signal)
    // Nothing can be said of a body whose length nobody knows, and a body without bytes has no last one to hold back.
    if (start.transfer.size === undefined || start.transfer.size === 0) await fill.#verdict()
    return fill
  }

  get size(): number {
    return this.#size ?? 0
  }

  get growth(): Promise<void> {
    return this.#growth.promise
  }

  get file(): FileHandle | undefined {
    return this.#file?.handle
  }

  get kept(): GrowingBlob['kept'] {
    return { bytes: this.#position, hash: () => this.#hash.copy() }
  }

  /** Nothing more can be had from it by those who have not joined yet. */
  get isOver(): boolean {
    return this.state === 'failed' || this.state === 'unkept'
  }

  /** Whether the repository is one of those that are going to have the blob. */
  isFor(repository: RepositoryName): boolean {
    return this.#repositories.has(repository)
  }

  /** Adds a repository of which upstream has confirmed that the blob is in it. */
  async alsoFor(repository: RepositoryName): Promise<void> {
    const { local, log } = this.#parts
    this.#repositories.add(repository)
    if (!this.#isAdopted) return
    try {
      await local.linkBlob(repository, this.digest)
    } catch (error) {
      log.error({ repository, digest: this.digest, error }, 'a blob that is here cannot be linked into another repository')
    }
  }

  handle(verdict: CacheVerdict): BlobHandle {
    const { digest, size } = this
    return {
      descriptor: { mediaType: mediaTypes.blob, digest, size },
      provenance: { verdict },
      open: (range, signal) => this.#read(range ?? { start: 0, end: size - 1 }, signal),
    }
  }

  direct(signal: AbortSignal): ResumingTransferOptions {
    const { transfers, clock, log, facts } = this.#parts
    const [repository] = this.#repositories
    return {
      open: (range: TransferRange) => transfers.open(range, signal),
      clock,
      signal,
      onBreak: (error, position) => {
        facts.fill('resumed')
        log.warn({ repository, digest: this.digest, position, error }, 'upstream broke in a blob: resuming')
      },
    }
  }

  async *#read(range: ByteRange, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    if (this.#isClosed) return yield* readSettled(this, await this.#stored(signal), range, signal)
    this.readers += 1
    try {
      yield* readGrowing(this, range, signal)
    } finally {
      this.readers -= 1
      this.#closeWhenUnused()
    }
  }

  async #stored(signal: AbortSignal): Promise<BlobHandle | undefined> {
    if (this.state === 'failed') throw this.failure
    const { digest } = this
    const [repository] = this.#repositories
    const find = () => this.#parts.local.findBlob(repository as RepositoryName, digest, signal)
    return patiently(find, this.#parts.log, { repository, digest })
  }

  async #verdict(): Promise<void> {
    await this.settled
    if (this.state === 'failed') throw this.failure
    if (this.#size === 0 && digestOf(new Uint8Array(), algorithmOf(this.digest)) !== this.digest) {
      throw new UpstreamFailure('broken', `upstream gave no bytes for ${this.digest}`)
    }
    if (this.#size === undefined) throw new UpstreamFailure('broken', 'upstream gave no length for a blob that could not be kept')
  }

  async #live(first: BlobTransfer): Promise<void> {
    try {
      await this.#run(first)
    } finally {
      this.#isSettled = true
      this.#reservation?.release()
      this.#closeWhenUnused()
    }
  }

  async #run(first: BlobTransfer): Promise<void> {
    const file = this.#file
    if (file === undefined) return first.close()
    const onWritten = (bytes: Uint8Array) => this.#grow(bytes)
    const writer = new SpoolWriter({ file: file.handle, position: this.#position, size: this.#size, onWritten })
    try {
      const wanted = { start: this.#position, end: this.#size, size: this.#size }
      for await (const chunk of resumingTransfer(wanted, first, this.direct(this.#signal))) {
        if (this.followers.areBehind) await waitFor(this.followers.near(), this.#signal)
        if (!(await this.#isKept(writer.add(chunk)))) return await this.#giveUpKeeping(file)
      }
    } catch (error) {
      await this.#isKept(writer.flush())
      return this.#fail(error, file)
    }
    if (await this.#isKept(writer.flush())) await this.#judge(file)
    else await this.#giveUpKeeping(file)
  }

  /** False when the disk refuses. */
  async #isKept(writing: Promise<void>): Promise<boolean> {
    try {
      await writing
      return true
    } catch (error) {
      const facts = { digest: this.digest, position: this.#position, error }
      this.#parts.log.error(facts, 'a blob cannot be kept, the disk refuses it: clients are served straight from upstream')
      return false
    }
  }

  #grow(bytes: Uint8Array): void {
    this.#hash.update(bytes)
    this.#position += bytes.length
    this.pace.came(bytes.length)
    this.#show(Math.min(this.#position, (this.#size ?? this.#position) - 1))
  }

  async #giveUpKeeping(file: SpoolFile): Promise<void> {
    this.state = 'unkept'
    this.#parts.facts.fill('unkept')
    this.#wake()
    await this.#remove(file)
  }

  async #judge(file: SpoolFile): Promise<void> {
    this.#size ??= this.#position
    const actual = digestOfHash(this.#hash, algorithmOf(this.digest))
    if (actual !== this.digest) {
      return this.#fail(new UpstreamFailure('broken', `upstream sent ${actual}, ${this.#position} bytes, for ${this.digest}`), file)
    }
    this.state = 'verified'
    this.#parts.facts.fill('completed')
    this.#show(this.#size)
    try {
      await this.#adopt(file)
    } catch (error) {
      logTrouble(this.#parts.log, { digest: this.digest, error }, 'a complete blob could not be put into the store')
      await this.#remove(file)
    }
  }

  async #adopt(file: SpoolFile): Promise<void> {
    const { local, transfers } = this.#parts
    const isStored = (await transfers.commitTurn(this.#signal)) === 'look' && (await local.statBlob(this.digest))?.size === this.#size
    if (isStored) await this.#remove(file)
    this.#isAdopted = isStored
    // A Set shows its iteration also what is added meanwhile: repositories that join during the adoption are linked, too.
    for (const repository of this.#repositories) {
      if (this.#isAdopted) await local.linkBlob(repository, this.digest)
      else await local.adoptBlob(repository, this.digest, file.path)
      this.#isAdopted = true
    }
  }

  async #fail(error: unknown, file: SpoolFile): Promise<void> {
    this.state = 'failed'
    this.#parts.facts.fill('failed')
    this.failure = error
    this.#wake()
    // The program is stopping: what came so far is for the next process.
    if (this.#signal.aborted) return
    this.#parts.log.error({ digest: this.digest, position: this.#position, size: this.#size, error }, 'a blob could not be fetched')
    await this.#remove(file)
  }

  async #remove(file: SpoolFile): Promise<void> {
    await unlink(file.path).catch((error: unknown) => {
      // Already moved, or a disk in trouble of which the log knows: the next start clears it away.
      this.#parts.log.debug({ file: file.path, error }, 'a partial file was not removed')
    })
  }

  #show(visible: number): void {
    this.visible = Math.max(this.visible, visible)
    // Many chunks may come in one turn of the event loop; the readers are woken once.
    if (this.#isWakeScheduled) return
    this.#isWakeScheduled = true
    setImmediate(() => this.#wake())
  }

  #wake(): void {
    this.#isWakeScheduled = false
    const { resolve } = this.#growth
    this.#growth = Promise.withResolvers<void>()
    resolve()
  }

  /** Nobody waits for it: between the store's taking over and the end of this fill no other request may come. */
  #closeWhenUnused(): void {
    if (!this.#isSettled || this.readers > 0 || this.#isClosed) return
    this.#isClosed = true
    this.#file?.handle.close().catch((error: unknown) => this.#parts.log.debug({ digest: this.digest, error }, 'closing a partial file'))
  }
}
