// The storage driver for a bucket of S3, or of what speaks its language. Keys are distribution's, so that both may share a bucket.
// An object store has no folders, no renames and no times that can be set. What stands in for them:
//   folder   a prefix that some key has. Its time is always new: nothing tells when a key came or went.
//   move     copy, then delete, in this order: a crash leaves both, never neither.
//   touch    a note, an empty object below /entrepot/touched with the time. It is there before `touch` looks for the file, and
//            `move` looks for it after the file is gone from its old place, so that one of the two notices the other (renewal.ts).
import { rm, stat } from 'node:fs/promises'
import type { Clock } from '../../lib/clock.ts'
import type { ByteRange } from '../../oci/range.ts'
import type { Log } from '../../telemetry/log.ts'
import type { AppendOptions, Renewed, StorageDriver, StoredEntry } from '../driver.ts'
import { isNeverFolder, isUploadData, isUploadFolder, mayHoldUploads, touchedFolder } from '../layout.ts'
import { absent, Bucket } from './s3-bucket.ts'
import { connectS3, type S3Connection, type S3Options } from './s3-client.ts'
import { changeOf, renewalSlackMs, S3Notes } from './s3-notes.ts'
import { chained, minPartBytes } from './s3-part-writer.ts'
import { copyObject, uploadFile } from './s3-transfers.ts'
import { S3Uploads } from './s3-uploads.ts'

export interface S3DriverParts {
  readonly clock: Clock
  readonly log: Log
  /** Files that grow by appending in many steps; others are whole after each. Default: those of the layout. */
  readonly isGrowing?: (path: string) => boolean
  readonly mayHoldGrowing?: (folder: string) => boolean
}

/** What two clocks, one of whole seconds, may differ by. */
const sameTimeMs = 1000
const deletesAtOnce = 16
const replaceAttempts = 5

export class S3Driver implements StorageDriver, AsyncDisposable {
  readonly name: string
  readonly redirect?: (path: string, method: 'GET' | 'HEAD') => string | Promise<string>
  readonly #connection: S3Connection
  readonly #bucket: Bucket
  readonly #uploads: S3Uploads
  readonly #notes: S3Notes
  readonly renewalSlackMs = renewalSlackMs
  readonly #clock: Clock
  readonly #root: string
  readonly #isGrowing: (path: string) => boolean
  readonly #mayHoldGrowing: (folder: string) => boolean
  #lastFolderTime = 0

  private constructor(connection: S3Connection, options: S3Options, parts: S3DriverParts) {
    this.name = options.key.slice(options.key.lastIndexOf('.') + 1)
    this.#connection = connection
    this.#bucket = new Bucket(connection, options, parts.clock)
    this.#uploads = new S3Uploads(this.#bucket, parts.clock)
    this.#notes = new S3Notes(this.#bucket, (path) => this.#key(path))
    this.#clock = parts.clock
    // As distribution makes keys of paths.
    this.#root = options.rootFolder.replace(/^\/+|\/+$/g, '')
    this.#isGrowing = parts.isGrowing ?? isUploadData
    this.#mayHoldGrowing = parts.mayHoldGrowing ?? mayHoldUploads
    if (options.redirects) this.redirect = (path, method) => this.#bucket.redirect(this.#key(path), method)
  }

  /** Connects to nothing. Throws Errors that name the configuration key. */
  static async open(options: S3Options, parts: S3DriverParts): Promise<S3Driver> {
    return new S3Driver(await connectS3(options, parts), options, parts)
  }

  /** Throws what a request for the bucket throws. */
  async probe(): Promise<void> {
    await this.#bucket.hasBelow(`${this.#root}/`.replace(/^\//, ''))
  }

  async stat(path: string): Promise<StoredEntry | undefined> {
    if (this.#isGrowing(path)) {
      const growing = await this.#uploads.find(this.#key(path))
      if (growing !== undefined) return { kind: 'file', size: growing.size, modifiedAt: growing.modifiedAt }
    }
    const [object, note] = await Promise.all([this.#bucket.head(this.#key(path)), this.#notes.read(path)])
    if (object !== undefined) return { kind: 'file', size: object.size, modifiedAt: changeOf(object, note) }
    return (await this.#isFolder(path)) ? { kind: 'directory', size: 0, modifiedAt: this.#folderTime() } : undefined
  }

  async sizeOf(path: string): Promise<number | undefined> {
    return this.#isGrowing(path) ? (await this.stat(path))?.size : (await this.#bucket.head(this.#key(path)))?.size
  }

  async read(path: string): Promise<Uint8Array | undefined> {
    if (this.#isGrowing(path)) await this.#uploads.settle(this.#key(path))
    return this.#bucket.read(this.#key(path))
  }

  write(path: string, bytes: Uint8Array): Promise<void> {
    // A copy: the caller may use its memory again while the request is repeated.
    return this.#bucket.put(this.#key(path), bytes)
  }

  recall(path: string): StoredEntry | undefined {
    const known = this.#isGrowing(path) ? this.#uploads.recall(this.#key(path)) : undefined
    return known && { kind: 'file', size: known.size, modifiedAt: known.modifiedAt }
  }

  async append(
    path: string,
    offset: number,
    body: AsyncIterable<Uint8Array>,
    signal: AbortSignal,
    options?: AppendOptions,
  ): Promise<number> {
    signal.throwIfAborted()
    const key = this.#key(path)
    if (this.#isGrowing(path)) return this.#uploads.append(key, offset, body, signal, options)
    if (options?.isNew !== true) checkEnd(path, (await this.#bucket.head(key))?.size, offset)
    if (offset === 0) return this.#writeStream(key, body, signal)
    try {
      return await this.#uploads.append(key, offset, body, signal)
    } finally {
      await this.#uploads.settle(key)
    }
  }

  async touch(path: string, changedAt: number): Promise<boolean> {
    return (await this.renew(path, changedAt)) !== undefined
  }

  async renew(path: string, changedAt: number, atMost?: number): Promise<Renewed | undefined> {
    const key = this.#key(path)
    const known = this.#isGrowing(path) ? this.#uploads.touch(key, changedAt) : undefined
    if (known !== undefined) return known
    if (this.#isGrowing(path)) await this.#uploads.settle(key)
    const object = await (atMost === undefined ? this.#bucket.head(key) : this.#bucket.get(key, atMost))
    if (object === undefined || this.#notes.isRenewed(path, object, changedAt)) return object
    return (await this.#notes.renew(path, object, changedAt)) ? object : undefined
  }

  async *open(path: string, range: ByteRange | undefined, signal: AbortSignal): AsyncGenerator<Uint8Array, void, void> {
    signal.throwIfAborted()
    if (this.#isGrowing(path)) await this.#uploads.settle(this.#key(path))
    yield* this.#bucket.open(this.#key(path), range, signal)
  }

  async list(path: string): Promise<string[] | undefined> {
    const prefix = `${this.#key(path)}/`
    const names = new Set<string>()
    for await (const key of this.#bucket.list(prefix, false)) names.add(key.slice(prefix.length).replace(/\/$/, ''))
    if (this.#mayHoldGrowing(path)) for (const name of await this.#uploads.names(prefix)) names.add(name.replace(/\/$/, ''))
    names.delete('')
    return names.size === 0 ? undefined : [...names]
  }

  async move(from: string, to: string): Promise<void> {
    const [source, target] = [this.#key(from), this.#key(to)]
    if (this.#isGrowing(from)) {
      const settled = await this.#uploads.settle(source)
      // Touched, as the upload's end does: the copy has that time by itself, and nobody else takes such a file away.
      if (settled?.touchedAt !== undefined && Math.abs(settled.touchedAt - this.#clock.now()) <= renewalSlackMs) {
        await this.#replace(to, settled.touchedAt, () => copyObject(this.#bucket, this.#uploads, { source, target, size: settled.size }))
        return this.#bucket.delete(source)
      }
    }
    const object = await this.#bucket.head(source)
    if (object === undefined) throw absent(from)
    const before = changeOf(object, await this.#notes.read(from))
    await this.#replace(to, before, () => copyObject(this.#bucket, this.#uploads, { source, target, size: object.size }))
    await this.#bucket.delete(source)
    // Read again: who renewed it before it was gone from here must not have done so in vain.
    const note = await this.#notes.read(from)
    const after = changeOf(object, note)
    if (after !== before || Math.abs(after - this.#clock.now()) > sameTimeMs) await this.#notes.write(to, after)
    if (note !== undefined) await this.#notes.remove(from)
  }

  async remove(path: string): Promise<boolean> {
    const key = this.#key(path)
    if (isUploadFolder(path)) return this.#removeUpload(key)
    const isMeant = (found: string) => found === key || found.startsWith(`${key}/`)
    const wasGrowing = (this.#isGrowing(path) || this.#mayHoldGrowing(path)) && (await this.#uploads.abort(key, isMeant))
    if ((await this.#bucket.head(key)) !== undefined) {
      await Promise.all([this.#bucket.delete(key), this.#notes.remove(path)])
      return true
    }
    if (isNeverFolder(path)) return wasGrowing
    const wasFolder = await this.#removeBelow(`${key}/`)
    if (wasFolder) await this.#removeBelow(`${this.#key(touchedFolder + path)}/`)
    return wasFolder || wasGrowing
  }

  async #removeUpload(key: string): Promise<boolean> {
    const mayGrow = !this.#uploads.hasCompleted(`${key}/data`)
    const wasGrowing = mayGrow && (await this.#uploads.abort(`${key}/`, () => true))
    return (await this.#removeBelow(`${key}/`)) || wasGrowing
  }

  /** A folder with nothing in it is not there. */
  async removeEmptyFolder(): Promise<boolean> {
    return false
  }

  /** Multipart uploads of what is written at once; those of what grows are for the purge. */
  removeLeftovers(path: string, olderThanAt: number): Promise<number> {
    const isWhole = (key: string) => !this.#isGrowing(`/${key}`.slice(this.#root === '' ? 0 : this.#root.length + 1))
    return this.#uploads.abortOld(`${this.#key(path)}/`, olderThanAt, isWhole)
  }

  async adopt(file: string, path: string): Promise<void> {
    const { size } = await stat(file)
    await this.#replace(path, this.#clock.now(), () => uploadFile(this.#bucket, this.#key(path), file, size))
    await rm(file)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#connection[Symbol.asyncDispose]()
  }

  #key(path: string): string {
    return this.#root === '' ? path.slice(1) : this.#root + path
  }

  /** Puts something in a place from which a sweep may just be taking what was there before: then it is put there once more. */
  async #replace(path: string, changedAt: number, put: () => Promise<void>): Promise<void> {
    const key = this.#key(path)
    const wasThere = (await this.#bucket.head(key)) !== undefined
    for (let attempt = 1; attempt <= replaceAttempts; attempt += 1) {
      await put()
      if (!wasThere) return
      await this.#notes.write(path, changedAt)
      if ((await this.#bucket.head(key)) !== undefined) return
    }
    throw new Error(`${path} is taken away again and again while it is written`)
  }

  /** All or nothing, unlike what grows; but what came before the body broke is kept. */
  async #writeStream(key: string, body: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<number> {
    const chunks: Uint8Array[] = []
    let bytes = 0
    const rest = body[Symbol.asyncIterator]()
    let failure: { readonly error: unknown } | undefined
    try {
      while (bytes < minPartBytes) {
        const next = await rest.next()
        if (next.done === true) break
        signal.throwIfAborted()
        chunks.push(next.value)
        bytes += next.value.length
      }
    } catch (error) {
      failure = { error }
    }
    if (bytes < minPartBytes || failure !== undefined) {
      await this.#bucket.put(key, Buffer.concat(chunks))
      if (failure !== undefined) throw failure.error
      return bytes
    }
    try {
      return await this.#uploads.append(key, 0, chained(chunks, rest), signal)
    } finally {
      await this.#uploads.settle(key)
    }
  }

  /** The last key goes last: while an upload has its `startedat` it is known, so that a crash leaves nothing that nobody would clear away. */
  async #removeBelow(prefix: string): Promise<boolean> {
    const keys: string[] = []
    for await (const key of this.#bucket.list(prefix, true)) keys.push(key)
    const last = keys.pop()
    for (let start = 0; start < keys.length; start += deletesAtOnce) {
      await Promise.all(keys.slice(start, start + deletesAtOnce).map((key) => this.#bucket.delete(key)))
    }
    if (last !== undefined) await this.#bucket.delete(last)
    return last !== undefined
  }

  async #isFolder(path: string): Promise<boolean> {
    if (isNeverFolder(path)) return false
    const prefix = `${this.#key(path)}/`
    if (await this.#bucket.hasBelow(prefix)) return true
    return this.#mayHoldGrowing(path) && (await this.#uploads.names(prefix)).length > 0
  }

  #folderTime(): number {
    return (this.#lastFolderTime = Math.max(this.#lastFolderTime + 1, this.#clock.now()))
  }
}

function checkEnd(path: string, size: number | undefined, offset: number): void {
  if (size === undefined && offset > 0) throw absent(path)
  if ((size ?? 0) !== offset) throw new Error(`${path} has ${size ?? 0} bytes, so nothing can be appended at ${offset}`)
}
