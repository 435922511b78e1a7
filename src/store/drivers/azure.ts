// The storage driver for a container of Azure Blob Storage. Names of blobs are distribution's, and so are their kinds: what grows is
// an append blob, all else is a block blob, so that both programs may share a container.
//   folder   a prefix that some name has. Its time is always new: nothing tells when a name came or went.
//   move     copy, then delete unless it was changed or touched meanwhile: then once more. A crash leaves both, never neither.
//   touch    the time is in the blob's metadata, which a copy takes along and a write does away with.
import { rm, stat } from 'node:fs/promises'
import { buffer } from 'node:stream/consumers'
import type { Clock } from '../../lib/clock.ts'
import type { ByteRange } from '../../oci/range.ts'
import type { StorageDriver, StoredEntry } from '../driver.ts'
import { isNeverFolder } from '../layout.ts'
import { BlockAppender } from './azure-append.ts'
import { type AzureConnection, type AzureOptions, type AzureParts, azureCodeOf, azureStatusOf, connectAzure } from './azure-client.ts'

interface Found {
  readonly size: number
  readonly changedAt: number
  readonly etag: string
  readonly isTouched: boolean
}

const touchedName = 'changedat'
const deletesAtOnce = 16
const replaceAttempts = 5
const copyPollMs = 100
const blockBytes = 8 * 1024 * 1024
const uploadsAtOnce = 4
/** Of a download that breaks off: the SDK goes on from there, as long as it is the same blob. */
const resumptions = 3

export class AzureDriver implements StorageDriver {
  readonly name = 'azure'
  readonly redirect?: (path: string) => string
  readonly #connection: AzureConnection
  readonly #clock: Clock
  readonly #root: string
  #lastFolderTime = 0

  private constructor(connection: AzureConnection, options: AzureOptions, { clock }: AzureParts) {
    this.#connection = connection
    this.#clock = clock
    this.#root = options.rootFolder.replace(/^\/+|\/+$/g, '')
    if (options.redirects) this.redirect = (path) => connection.sign(this.#key(path), clock.now())
  }

  /** Connects to nothing. Throws Errors that name the configuration key. */
  static async open(options: AzureOptions, parts: AzureParts): Promise<AzureDriver> {
    return new AzureDriver(await connectAzure(options, parts), options, parts)
  }

  /** Throws what a request for the container throws. */
  async probe(): Promise<void> {
    await this.#hasBelow(`${this.#root}/`.replace(/^\//, ''))
  }

  async stat(path: string): Promise<StoredEntry | undefined> {
    const found = await this.#find(path)
    if (found !== undefined) return { kind: 'file', size: found.size, modifiedAt: found.changedAt }
    if (isNeverFolder(path) || !(await this.#hasBelow(`${this.#key(path)}/`))) return undefined
    return { kind: 'directory', size: 0, modifiedAt: this.#folderTime() }
  }

  async sizeOf(path: string): Promise<number | undefined> {
    return (await this.#find(path))?.size
  }

  async read(path: string): Promise<Uint8Array | undefined> {
    const { readableStreamBody: body } = (await this.#unlessAbsent(() => this.#blob(path).download())) ?? {}
    return body === undefined ? undefined : this.#connection.outage.run(() => buffer(body))
  }

  async write(path: string, bytes: Uint8Array): Promise<void> {
    await this.#ofThisKind(path, () => this.#blob(path).getBlockBlobClient().upload(bytes, bytes.length))
  }

  async append(path: string, offset: number, body: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<number> {
    signal.throwIfAborted()
    const found = await this.#find(path)
    if (found === undefined && offset > 0) throw absent(path)
    if ((found?.size ?? 0) !== offset) throw new Error(`${path} has ${found?.size ?? 0} bytes, so nothing can be appended at ${offset}`)
    const blob = this.#blob(path).getAppendBlobClient()
    if (found === undefined) await this.#run(() => blob.create())
    // Its time is that of its last byte again.
    else if (found.isTouched) await this.#run(() => blob.setMetadata({}))
    return new BlockAppender(blob, this.#connection.outage, offset).append(body, signal)
  }

  async touch(path: string, changedAt: number): Promise<boolean> {
    return (await this.#unlessAbsent(() => this.#blob(path).setMetadata({ [touchedName]: String(changedAt) }))) !== undefined
  }

  async *open(path: string, range: ByteRange | undefined, signal: AbortSignal): AsyncGenerator<Uint8Array, void, void> {
    signal.throwIfAborted()
    try {
      const count = range === undefined ? undefined : range.end - range.start + 1
      const options = { abortSignal: signal, maxRetryRequests: resumptions }
      const answer = await this.#run(() => this.#blob(path).download(range?.start ?? 0, count, options))
      if (range !== undefined && answer.contentLength !== count) throw endsEarly(path, range.start + (answer.contentLength ?? 0))
      for await (const chunk of answer.readableStreamBody ?? []) {
        signal.throwIfAborted()
        yield chunk as Buffer
      }
    } catch (error) {
      throw signal.aborted ? signal.reason : await this.#readingFailed(path, error)
    }
  }

  async #readingFailed(path: string, error: unknown): Promise<unknown> {
    const found = azureStatusOf(error) === 416 ? await this.#find(path) : undefined
    if (found !== undefined) return endsEarly(path, found.size)
    return azureStatusOf(error) === 404 ? absent(path) : this.#connection.outage.seen(error)
  }

  async list(path: string): Promise<string[] | undefined> {
    const prefix = `${this.#key(path)}/`
    const names: string[] = []
    await this.#run(async () => {
      for await (const { name } of this.#connection.container.listBlobsByHierarchy('/', { prefix })) {
        names.push(name.slice(prefix.length).replace(/\/$/, ''))
      }
    })
    return names.length === 0 ? undefined : names
  }

  async move(from: string, to: string): Promise<void> {
    for (let attempt = 1; attempt <= replaceAttempts; attempt += 1) {
      const found = await this.#find(from)
      if (found === undefined) throw absent(from)
      await this.#copy(from, to, found)
      try {
        await this.#run(() => this.#blob(from).delete({ conditions: { ifMatch: found.etag } }))
        return
      } catch (error) {
        if (azureStatusOf(error) === 404) return
        // Somebody touched it, or appended to it: what was copied is not what there is.
        if (azureStatusOf(error) !== 412) throw error
      }
    }
    throw new Error(`${from} changes again and again while it is moved`)
  }

  async remove(path: string): Promise<boolean> {
    if ((await this.#unlessAbsent(() => this.#blob(path).delete())) !== undefined) return true
    if (isNeverFolder(path)) return false
    const names = await this.#below(`${this.#key(path)}/`)
    // The last one goes last: while an upload has its `startedat` it is known.
    const last = names.pop()
    const { container } = this.#connection
    const removeOne = (name: string) => this.#unlessAbsent(() => container.getBlobClient(name).delete())
    for (let start = 0; start < names.length; start += deletesAtOnce) {
      await Promise.all(names.slice(start, start + deletesAtOnce).map(removeOne))
    }
    if (last !== undefined) await removeOne(last)
    return last !== undefined
  }

  /** A folder with nothing in it is not there. */
  async removeEmptyFolder(): Promise<boolean> {
    return false
  }

  async adopt(file: string, path: string): Promise<void> {
    await stat(file)
    const options = { blockSize: blockBytes, concurrency: uploadsAtOnce, maxSingleShotSize: blockBytes }
    await this.#ofThisKind(path, () => this.#blob(path).getBlockBlobClient().uploadFile(file, options))
    await rm(file)
  }

  #key(path: string): string {
    return this.#root === '' ? path.slice(1) : this.#root + path
  }

  #blob(path: string) {
    return this.#connection.container.getBlobClient(this.#key(path))
  }

  #run<T>(work: () => Promise<T>): Promise<T> {
    return this.#connection.outage.run(work)
  }

  async #unlessAbsent<T>(work: () => Promise<T>): Promise<T | undefined> {
    try {
      return await this.#run(work)
    } catch (error) {
      if (azureStatusOf(error) === 404) return undefined
      throw error
    }
  }

  /** What is there may be a blob of the other kind, which nothing can be put over. */
  async #ofThisKind(path: string, put: () => Promise<unknown>): Promise<void> {
    try {
      await this.#run(put)
    } catch (error) {
      if (azureCodeOf(error) !== 'InvalidBlobType') throw error
      await this.#unlessAbsent(() => this.#blob(path).delete())
      await this.#run(put)
    }
  }

  async #find(path: string): Promise<Found | undefined> {
    const got = await this.#unlessAbsent(() => this.#blob(path).getProperties())
    // A copy that is not complete, or never will be, is not there.
    if (got === undefined || (got.copyStatus !== undefined && got.copyStatus !== 'success')) return undefined
    const touchedAt = got.metadata?.[touchedName]
    const changedAt = touchedAt === undefined ? got.lastModified?.getTime() : Number(touchedAt)
    return { size: got.contentLength ?? 0, changedAt: changedAt ?? 0, etag: got.etag ?? '', isTouched: touchedAt !== undefined }
  }

  async #copy(from: string, to: string, { etag, changedAt }: Found): Promise<void> {
    const source = this.#connection.sign(this.#key(from), this.#clock.now())
    const metadata = { [touchedName]: String(changedAt) }
    const options = { intervalInMs: copyPollMs, metadata, sourceConditions: { ifMatch: etag } }
    try {
      await this.#ofThisKind(to, async () => {
        const poller = await this.#blob(to).beginCopyFromURL(source, options)
        const { copyStatus } = await poller.pollUntilDone()
        if (copyStatus !== 'success') throw new Error(`copying ${from} to ${to} ended as ${copyStatus}`)
      })
    } catch (error) {
      if (azureStatusOf(error) === 404) throw absent(from)
      // Changed since it was looked at: the delete that follows notices, and all is done again.
      if (azureStatusOf(error) !== 412) throw error
    }
  }

  async #below(prefix: string): Promise<string[]> {
    const names: string[] = []
    await this.#run(async () => {
      for await (const { name } of this.#connection.container.listBlobsFlat({ prefix })) names.push(name)
    })
    return names
  }

  #hasBelow(prefix: string): Promise<boolean> {
    return this.#run(async () => {
      for await (const { segment } of this.#connection.container.listBlobsFlat({ prefix }).byPage({ maxPageSize: 1 })) {
        if (segment.blobItems.length > 0) return true
      }
      return false
    })
  }

  #folderTime(): number {
    return (this.#lastFolderTime = Math.max(this.#lastFolderTime + 1, this.#clock.now()))
  }
}

function absent(path: string): Error {
  return Object.assign(new Error(`ENOENT: ${path}`), { code: 'ENOENT' })
}

function endsEarly(path: string, size: number): Error {
  return new Error(`${path} ends at byte ${size}, before the range does`)
}
