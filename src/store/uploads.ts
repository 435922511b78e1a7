// Blobs that are being pushed. All that an upload is lies in its folder, as distribution has it, so that another process can
// go on with it at any time; only the running hash is ours, and can be had from the bytes again.
import { createHash, randomUUID } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import type { Leases } from '../cluster/leases.ts'
import type { UploadChunk, UploadState } from '../content-sink.ts'
import type { Clock } from '../lib/clock.ts'
import { linkedController } from '../lib/abort.ts'
import type { Descriptor } from '../oci/descriptor.ts'
import { algorithmOf, type Digest, type DigestAlgorithm, digestOfHash } from '../oci/digest.ts'
import { RegistryError } from '../oci/errors.ts'
import { mediaTypes } from '../oci/media-types.ts'
import type { RepositoryName } from '../oci/names.ts'
import type { Log } from '../telemetry/log.ts'
import type { Blobs } from './blobs.ts'
import type { StorageDriver, StoredEntry } from './driver.ts'
import { uploadFolder } from './layout.ts'
import { RunningHash, runningHashes } from './running-hashes.ts'
import { pushTrouble } from './trouble.ts'
import { Turns, untilAborted } from './turns.ts'

export interface UploadsParts {
  readonly driver: StorageDriver
  readonly blobs: Blobs
  readonly clock: Clock
  readonly log: Log
  /** Of all who may write to this store; `undefined`: this process is alone. */
  readonly leases?: Leases | undefined
}

interface Found {
  readonly state: UploadState
  /** `undefined`: nothing has come yet, not even an empty file. */
  readonly file: StoredEntry | undefined
}

const never = new AbortController().signal
/** Far more than run at once. */
const mostBegun = 10_000
/** What distribution takes for the name of an upload. It is part of a path, so nothing else may pass. */
const uuidPattern = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

export function isUploadId(text: string): boolean {
  return uuidPattern.test(text)
}

export class Uploads {
  readonly #parts: UploadsParts
  readonly #turns: Turns
  readonly #hashes = runningHashes()
  /** By folder, since when: of uploads that this process knows of. */
  readonly #begun = new LRUCache<string, number>({ max: mostBegun })

  constructor(parts: UploadsParts) {
    this.#parts = parts
    this.#turns = new Turns({ leases: parts.leases, log: parts.log })
  }

  async begin(repository: RepositoryName, algorithm: DigestAlgorithm = 'sha256'): Promise<UploadState> {
    const { driver, clock } = this.#parts
    const id = randomUUID()
    const folder = uploadFolder(repository, id)
    const startedAt = Math.floor(clock.now() / 1000) * 1000
    try {
      await driver.append(`${folder}/startedat`, 0, chunks(Buffer.from(formatSeconds(startedAt))), never, { isNew: true })
      await driver.append(`${folder}/data`, 0, chunks(), never, { isNew: true })
    } catch (error) {
      throw pushTrouble(`beginning an upload in ${repository}`, error)
    }
    this.#hashes.set(folder, new RunningHash(algorithm))
    this.#begun.set(folder, startedAt)
    return { id, size: 0, startedAt }
  }

  /** `believed`: who asks knows of so many bytes. Where this process does, too, the storage is not asked: who goes on with it asks. */
  async find(repository: RepositoryName, id: string, believed?: number): Promise<UploadState | undefined> {
    if (believed !== undefined && isUploadId(id)) {
      const folder = uploadFolder(repository, id)
      const [startedAt, file] = [this.#begun.get(folder), this.#parts.driver.recall?.(`${folder}/data`)]
      if (startedAt !== undefined && file?.size === believed) return { id, size: believed, startedAt }
    }
    return (await this.#look(repository, id))?.state
  }

  async append(repository: RepositoryName, id: string, chunk: UploadChunk, signal: AbortSignal): Promise<UploadState> {
    const folder = uploadFolder(repository, id)
    // Judged before the turn is taken: who is wrong about the size must not stop a request that is right.
    if (this.#turns.isTaken(folder)) checkOffset(await this.#read(repository, id), chunk.offset)
    await using turn = await this.#turns.take(folder)
    const found = await this.#read(repository, id)
    checkOffset(found, chunk.offset)
    using stop = linkedController(signal)
    turn.signal.addEventListener('abort', () => stop.abort(turn.signal.reason), { once: true })
    const size = await this.#append(folder, found, chunk, stop.signal)
    return { ...found.state, size }
  }

  async finish(repository: RepositoryName, id: string, digest: Digest): Promise<Descriptor> {
    const { driver, blobs } = this.#parts
    const folder = uploadFolder(repository, id)
    if (this.#turns.isTaken(folder)) await this.#read(repository, id)
    await using turn = await this.#turns.take(folder)
    const { state, file } = await this.#read(repository, id)
    try {
      if (file === undefined) await driver.append(`${folder}/data`, 0, chunks(), never)
      const actual = await this.#digestOf(folder, file, algorithmOf(digest))
      if (actual !== digest) {
        throw new RegistryError('DIGEST_INVALID', 'provided digest did not match uploaded content', { detail: { digest, actual } })
      }
      await turn.check()
      await blobs.take(repository, digest, `${folder}/data`)
    } catch (error) {
      throw pushTrouble(`finishing upload ${id} of ${repository} as ${digest}`, error)
    }
    await this.#drop(folder, { repository, id })
    return { mediaType: mediaTypes.blob, digest, size: state.size }
  }

  async cancel(repository: RepositoryName, id: string): Promise<boolean> {
    if ((await this.#look(repository, id)) === undefined) return false
    const folder = uploadFolder(repository, id)
    await using _turn = await this.#turns.take(folder)
    this.#hashes.delete(folder)
    this.#begun.delete(folder)
    try {
      return await this.#parts.driver.remove(folder)
    } catch (error) {
      throw pushTrouble(`cancelling upload ${id} of ${repository}`, error)
    }
  }

  async #append(folder: string, { file }: Found, chunk: UploadChunk, signal: AbortSignal): Promise<number> {
    const { driver } = this.#parts
    const hash = this.#hashFor(folder, file)
    const body = watched(untilAborted(chunk.body, signal))
    let failure: { readonly error: unknown } | undefined
    try {
      const chunks = hash === undefined ? body.chunks : hash.taking(body.chunks)
      await driver.append(`${folder}/data`, chunk.offset, chunks, signal, { freesChunks: chunk.givesChunks === true })
    } catch (error) {
      const isOfClient = body.failure() === error || (signal.aborted && signal.reason === error)
      failure = { error: isOfClient ? error : pushTrouble(`writing to ${folder}`, error) }
    }
    const size = await this.#settled(folder, hash)
    if (failure !== undefined) throw failure.error
    return size
  }

  /** The size after a write of this process. */
  async #settled(folder: string, hash: RunningHash | undefined): Promise<number> {
    const { driver } = this.#parts
    const file = driver.recall?.(`${folder}/data`) ?? (await driver.stat(`${folder}/data`))
    if (file === undefined) return 0
    hash?.settle(file)
    return file.size
  }

  /** `undefined`: somebody else wrote what is there, or this process has forgotten it. */
  #hashFor(folder: string, file: StoredEntry | undefined): RunningHash | undefined {
    const known = this.#hashes.get(folder)
    if ((file?.size ?? 0) === 0) {
      const fresh = new RunningHash(known?.algorithm ?? 'sha256')
      this.#hashes.set(folder, fresh)
      return fresh
    }
    if (known !== undefined && file !== undefined && known.isOf(file)) return known
    this.#hashes.delete(folder)
    return undefined
  }

  async #digestOf(folder: string, file: StoredEntry | undefined, algorithm: DigestAlgorithm): Promise<Digest> {
    const running = this.#hashes.get(folder)
    if (running?.algorithm === algorithm && file !== undefined && running.isOf(file)) return running.digest()
    const hash = createHash(algorithm)
    for await (const bytes of this.#parts.driver.open(`${folder}/data`, undefined, never)) hash.update(bytes)
    return digestOfHash(hash, algorithm)
  }

  /** Throws BLOB_UPLOAD_UNKNOWN. */
  async #read(repository: RepositoryName, id: string): Promise<Found> {
    const found = await this.#look(repository, id)
    if (found !== undefined) return found
    throw new RegistryError('BLOB_UPLOAD_UNKNOWN', 'blob upload unknown to registry', { detail: id.slice(0, 100) })
  }

  async #look(repository: RepositoryName, id: string): Promise<Found | undefined> {
    if (!isUploadId(id)) return undefined
    const { driver } = this.#parts
    const folder = uploadFolder(repository, id)
    try {
      const begun = this.#begun.get(folder)
      const [startedAt, file] = await Promise.all([begun ?? readStartedAt(driver, folder), driver.stat(`${folder}/data`)])
      // It may be finished or given up elsewhere.
      const isSure = begun === undefined || file !== undefined
      return this.#found({ folder, id }, isSure ? startedAt : await readStartedAt(driver, folder), file)
    } catch (error) {
      throw pushTrouble(`looking for upload ${id} of ${repository}`, error)
    }
  }

  #found(
    { folder, id }: { readonly folder: string; readonly id: string },
    startedAt: number | undefined,
    file: StoredEntry | undefined,
  ): Found | undefined {
    if (startedAt === undefined) {
      this.#begun.delete(folder)
      return undefined
    }
    this.#begun.set(folder, startedAt)
    return { state: { id, size: file?.size ?? 0, startedAt }, file }
  }

  /** The blob is kept already, so what stays behind of its upload is only for the purge. */
  async #drop(folder: string, fields: object): Promise<void> {
    this.#hashes.delete(folder)
    this.#begun.delete(folder)
    try {
      await this.#parts.driver.remove(folder)
    } catch (error) {
      this.#parts.log.warn({ ...fields, error }, 'the folder of a finished upload cannot be removed')
    }
  }
}

/** Milliseconds since 1970. Where a crash left the file empty, the file's own time. `undefined`: there is no such upload. */
export async function readStartedAt(driver: StorageDriver, folder: string): Promise<number | undefined> {
  const bytes = await driver.read(`${folder}/startedat`)
  if (bytes === undefined) return undefined
  const startedAt = Date.parse(Buffer.from(bytes).toString('latin1').trim())
  return Number.isNaN(startedAt) ? (await driver.stat(`${folder}/startedat`))?.modifiedAt : startedAt
}

function checkOffset({ state }: Found, offset: number): void {
  if (state.size === offset) return
  throw new RegistryError('RANGE_INVALID', 'invalid content range', { detail: { size: state.size, offset } })
}

/** As Go's RFC 3339 in UTC, without a fraction. */
function formatSeconds(at: number): string {
  return `${new Date(at).toISOString().slice(0, 19)}Z`
}

async function* chunks(...all: readonly Uint8Array[]): AsyncGenerator<Uint8Array, void, void> {
  yield* all
}

/** Remembers the body's own failure, to tell it from those of the disk. */
function watched(body: AsyncIterable<Uint8Array>): { chunks: AsyncIterable<Uint8Array>; failure: () => unknown } {
  let failure: unknown
  async function* passing(): AsyncGenerator<Uint8Array, void, void> {
    try {
      yield* body
    } catch (error) {
      failure = error
      throw error
    }
  }
  return { chunks: passing(), failure: () => failure }
}
