// Chunks as they come → the parts of a multipart upload, behind what is there.
import { free } from './append.ts'
import type { Bucket } from './s3-bucket.ts'

/** Amazon S3 user guide, "Multipart upload limits". */
export const minPartBytes = 5 * 1024 * 1024
/** What one part may have more than another one, by its last chunk. */
const spareBytes = 256 * 1024
const maxCopyPartBytes = 5 * 1024 * 1024 * 1024

export interface PendingPart {
  readonly PartNumber: number
  readonly ETag: string
  readonly size: number
}

export interface PartPlace {
  readonly key: string
  readonly uploadId: string
  readonly number: number
}

export interface Beginning {
  readonly uploadId: string | undefined
  readonly parts: readonly PendingPart[]
  /** Bytes of the object that the upload is to begin with; its parts hold them otherwise. */
  readonly baseBytes: number
}

/** What an upload is made of. */
export interface PartSteps {
  create(key: string): Promise<string>
  complete(key: string, uploadId: string, parts: readonly PendingPart[]): Promise<void>
  putPart(place: PartPlace, bytes: Uint8Array): Promise<PendingPart>
  copyPart(from: string, to: PartPlace, start: number, endExclusive: number): Promise<PendingPart>
}

/** Collects chunks into parts. One part is on its way while the next is collected: parts come about in order, so that a crash leaves no gap. */
export class PartWriter {
  readonly #bucket: Bucket
  readonly #uploads: PartSteps
  readonly #key: string
  #uploadId: string | undefined
  #parts: PendingPart[]
  #baseBytes: number
  #waiting: Uint8Array[] = []
  #waitingBytes = 0
  #running: Promise<void> = Promise.resolve()
  #isReady = false
  readonly #freesChunks: boolean
  /** Memory of the part before, for the next one: fresh memory for each costs more than all else of an upload. */
  #spare: Buffer = Buffer.alloc(0)

  constructor(bucket: Bucket, uploads: PartSteps, key: string, beginning: Beginning, freesChunks = false) {
    this.#bucket = bucket
    this.#uploads = uploads
    this.#key = key
    this.#uploadId = beginning.uploadId
    this.#parts = [...beginning.parts]
    this.#baseBytes = beginning.baseBytes
    this.#freesChunks = freesChunks
  }

  /** What there is of it by now; after `end`, all. */
  get state(): Beginning {
    return { uploadId: this.#uploadId, parts: this.#parts, baseBytes: this.#baseBytes }
  }

  async begin(): Promise<string> {
    return (this.#uploadId ??= await this.#uploads.create(this.#key))
  }

  async add(chunk: Uint8Array): Promise<void> {
    if (chunk.length === 0) return
    if (!this.#isReady) await this.#getReady()
    this.#waiting.push(chunk)
    this.#waitingBytes += chunk.length
    if (this.#waitingBytes >= Math.max(this.#bucket.options.chunkBytes, minPartBytes)) await this.#send()
  }

  /** Answers the size. */
  async end(): Promise<number> {
    if (this.#waitingBytes > 0) await this.#send()
    await this.#running
    return this.#parts.reduce((sum, part) => sum + part.size, this.#baseBytes)
  }

  async #send(): Promise<void> {
    await this.#running
    const bytes = this.#joined()
    this.#running = this.#put(bytes)
    // It is waited for before the next one, and at the end.
    this.#running.catch(() => undefined)
  }

  /** The waiting chunks as one. */
  #joined(): Uint8Array {
    const size = this.#waitingBytes
    if (this.#spare.length < size) this.#spare = Buffer.allocUnsafeSlow(size >= minPartBytes ? size + spareBytes : size)
    let position = 0
    for (const chunk of this.#waiting) {
      this.#spare.set(chunk, position)
      position += chunk.length
      if (this.#freesChunks) free(chunk)
    }
    this.#waiting = []
    this.#waitingBytes = 0
    return this.#spare.subarray(0, size)
  }

  async #put(bytes: Uint8Array): Promise<void> {
    const place = { key: this.#key, uploadId: await this.begin(), number: (this.#parts.at(-1)?.PartNumber ?? 0) + 1 }
    this.#parts.push(await this.#uploads.putPart(place, bytes))
  }

  /** The first bytes come: what is there must be such that a part may follow. */
  async #getReady(): Promise<void> {
    const last = this.#parts.at(-1)
    if (last !== undefined && last.size < minPartBytes) {
      await this.#uploads.complete(this.#key, await this.begin(), this.#parts)
      this.#baseBytes = this.#parts.reduce((sum, part) => sum + part.size, 0)
      this.#parts = []
      this.#uploadId = undefined
    }
    await this.begin()
    await this.#takeBase()
    this.#isReady = true
  }

  async #takeBase(): Promise<void> {
    const size = this.#baseBytes
    if (size === 0) return
    const place = { key: this.#key, uploadId: await this.begin(), number: 1 }
    if (size < minPartBytes) {
      const bytes = await this.#bucket.read(this.#key)
      if (bytes?.length !== size) throw new Error(`${this.#key} changed while it was appended to`)
      this.#waiting.push(bytes)
      this.#waitingBytes += size
    } else if (this.#bucket.options.copiesParts) {
      for (let start = 0; start < size; start += maxCopyPartBytes) {
        const part = { ...place, number: this.#parts.length + 1 }
        this.#parts.push(await this.#uploads.copyPart(this.#key, part, start, Math.min(start + maxCopyPartBytes, size)))
      }
    } else {
      await this.#sendAgain(size)
    }
    this.#baseBytes = 0
  }

  /** For services that can't copy into parts: through this machine. */
  async #sendAgain(size: number): Promise<void> {
    this.#isReady = true
    const signal = new AbortController().signal
    for await (const chunk of this.#bucket.open(this.#key, { start: 0, end: size - 1 }, signal)) await this.add(Buffer.from(chunk))
    // A part that may not be the last one is filled by what follows.
  }
}

/** What was read of a body already, and the rest of it. */
export async function* chained(first: readonly Uint8Array[], rest: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array, void, void> {
  yield* first
  for (let next = await rest.next(); next.done !== true; next = await rest.next()) yield next.value
}
