// Objects that grow: multipart uploads, in distribution's way, so that either program goes on with what the other has begun.
// All that there is of such an object is in S3: its unfinished multipart upload, found by ListMultipartUploads.
//
//   append          parts behind the parts that are there
//   last part small S3 takes parts below 5 MiB only at the end: the upload is completed, and a new one begun with the object as
//                   its first part (copied by S3; or, where the whole is below 5 MiB, sent again)
//   settle          the upload is completed, and the object there to be read and moved
//
// What this process has seen or done of an upload is remembered, so that going on with it needs no search. `find` always asks S3,
// and is asked before somebody goes on (uploads.ts); completing an upload names each part, which S3 compares.
import type { Part } from '@aws-sdk/client-s3'
import { LRUCache } from 'lru-cache'
import type { Clock } from '../../lib/clock.ts'
import type { AppendOptions } from '../driver.ts'
import { absent, type Bucket } from './s3-bucket.ts'
import { statusOf } from './s3-client.ts'
import { type Beginning, type PartPlace, type PendingPart, PartWriter } from './s3-part-writer.ts'

export interface GrowingObject {
  readonly size: number
  /** Milliseconds since 1970. */
  readonly modifiedAt: number
}

interface Pending extends GrowingObject, Beginning {
  readonly uploadId: string
  readonly startedAt: number
  readonly touchedAt?: number
}

type Present = Beginning & GrowingObject & Partial<Pick<Pending, 'startedAt'>>

/** Far more than grow at once. */
const mostParts = 100_000
const mostCompleted = 1000

export class S3Uploads {
  readonly #bucket: Bucket
  readonly #clock: Clock
  /** As it was last seen or left by this process. Not there while it is written to. */
  readonly #known = new LRUCache<string, Pending>({ maxSize: mostParts, sizeCalculation: ({ parts }) => parts.length + 1 })
  readonly #completed = new LRUCache<string, true>({ max: mostCompleted })

  constructor(bucket: Bucket, clock: Clock) {
    this.#bucket = bucket
    this.#clock = clock
  }

  /** As it is in S3. `undefined`: no upload of this key is in progress. */
  async find(key: string): Promise<Pending | undefined> {
    const known = this.#known.get(key)
    const found = (known && (await this.#lookAgain(key, known))) ?? (await this.#search(key))
    // Who has written to it meanwhile knows better.
    if (this.#known.get(key) !== known) return found
    if (found === undefined) this.#known.delete(key)
    else this.#known.set(key, found)
    return found
  }

  /** As this process has left it; nobody is asked. */
  recall(key: string): GrowingObject | undefined {
    return this.#known.get(key)
  }

  /** Remembers the time for `settle`. `undefined`: this process does not know the upload. */
  touch(key: string, touchedAt: number): GrowingObject | undefined {
    const known = this.#known.get(key)
    if (known !== undefined) this.#known.set(key, { ...known, touchedAt })
    return known
  }

  /** Whether this process completed it lately, so that nothing of it is in progress. */
  hasCompleted(key: string): boolean {
    return this.#completed.has(key)
  }

  async #lookAgain(key: string, known: Pending): Promise<Pending | undefined> {
    try {
      const parts = (await this.#parts(key, known.uploadId)).map(pendingPart)
      const isSame = parts.length === known.parts.length && parts.every(({ ETag }, index) => ETag === known.parts[index]?.ETag)
      if (isSame) return known
      return parts.length === 0 ? undefined : grown(known, parts)
    } catch (error) {
      if (statusOf(error) === 404) return undefined
      throw error
    }
  }

  async #search(key: string): Promise<Pending | undefined> {
    const uploads = await this.#list(key)
    // Where a crash left two, the newer one goes on.
    const newest = uploads.filter((upload) => upload.key === key).sort((a, b) => b.startedAt - a.startedAt)[0]
    if (newest === undefined) return undefined
    const parts = (await this.#parts(key, newest.uploadId)).map(pendingPart)
    if (parts.length > 0) return grown(newest, parts)
    const { size = 0, modifiedAt = 0 } = (await this.#bucket.head(key)) ?? {}
    return { ...newest, parts, baseBytes: size, size, modifiedAt: Math.max(newest.startedAt, modifiedAt) }
  }

  /** Names right below the prefix of uploads in progress; with a slash at the end where there is more below. */
  async names(prefix: string): Promise<string[]> {
    const found = await this.#list(prefix)
    return found.map(({ key }) => {
      const [name = '', ...rest] = key.slice(prefix.length).split('/')
      return rest.length === 0 ? name : `${name}/`
    })
  }

  /** Gives up what is in progress below the prefix. False: nothing was. */
  async abort(prefix: string, isMeant: (key: string) => boolean): Promise<boolean> {
    const meant = (await this.#list(prefix)).filter(({ key }) => isMeant(key))
    for (const { key, uploadId } of meant) await this.abandon(key, uploadId)
    return meant.length > 0
  }

  /** What writers that a crash cut off have begun before `olderThanAt`. Answers how many. */
  async abortOld(prefix: string, olderThanAt: number, isMeant: (key: string) => boolean): Promise<number> {
    const old = (await this.#list(prefix)).filter(({ key, startedAt }) => startedAt < olderThanAt && isMeant(key))
    for (const { key, uploadId } of old) await this.abandon(key, uploadId)
    return old.length
  }

  /** As `StorageDriver.append`. What is appended may be seen by `find` and, after `settle`, be read. */
  async append(
    key: string,
    offset: number,
    body: AsyncIterable<Uint8Array>,
    signal: AbortSignal,
    options?: AppendOptions,
  ): Promise<number> {
    const found = await this.#beginning(key, offset, options?.isNew === true)
    this.#known.delete(key)
    const writer = new PartWriter(this.#bucket, this, key, found ?? nothing, options?.freesChunks)
    const startedAt = found?.startedAt ?? this.#clock.now()
    if (found === undefined) await writer.begin()
    try {
      for await (const chunk of body) {
        signal.throwIfAborted()
        await writer.add(chunk)
      }
    } catch (error) {
      // What failed first is what the caller must hear of.
      await this.#end(key, writer, startedAt).catch(() => undefined)
      throw error
    }
    return this.#end(key, writer, startedAt)
  }

  async #end(key: string, writer: PartWriter, startedAt: number): Promise<number> {
    const size = await writer.end()
    const { uploadId, parts, baseBytes } = writer.state
    if (uploadId !== undefined) this.#known.set(key, { uploadId, parts, baseBytes, size, startedAt, modifiedAt: this.#clock.now() })
    return size
  }

  /** `undefined`: nothing yet. Throws where what there is does not end at `offset`. */
  async #beginning(key: string, offset: number, isNew: boolean): Promise<Present | undefined> {
    const known = this.#known.get(key)
    const found = isNew ? undefined : known?.size === offset ? known : await this.#present(key)
    if (found === undefined && offset > 0) throw absent(key)
    const size = found?.size ?? 0
    if (size !== offset) throw new Error(`${key} has ${size} bytes, so nothing can be appended at ${offset}`)
    return found
  }

  async #present(key: string): Promise<Present | undefined> {
    const pending = await this.find(key)
    if (pending !== undefined) return pending
    const object = await this.#bucket.head(key)
    return object === undefined ? undefined : { ...nothing, baseBytes: object.size, size: object.size, modifiedAt: object.modifiedAt }
  }

  /** Makes a grown object whole, to be read and moved. `undefined`: nothing grew, so that nothing happened. */
  async settle(key: string): Promise<Pick<Pending, 'size' | 'touchedAt'> | undefined> {
    const known = this.#known.get(key)
    try {
      if (known !== undefined) return { ...known, size: await this.#settle(key, known) }
    } catch (error) {
      if (statusOf(error) !== 404) throw error
      // Another process has gone on with it, or the answer to the first attempt was lost.
      this.#known.delete(key)
    }
    const pending = await this.#search(key)
    return pending && { size: await this.#settle(key, pending) }
  }

  async #settle(key: string, { uploadId, parts, size }: Pending): Promise<number> {
    if (parts.length > 0) {
      await this.complete(key, uploadId, parts)
      this.#known.delete(key)
      this.#completed.set(key, true)
      return size
    }
    const object = await this.#bucket.head(key)
    if (object === undefined) await this.#bucket.put(key, new Uint8Array())
    await this.abandon(key, uploadId)
    return object?.size ?? 0
  }

  async create(key: string): Promise<string> {
    const { name: Bucket, keeping } = this.#bucket
    const { UploadId } = await this.#bucket.send((sdk, client) =>
      client.send(new sdk.CreateMultipartUploadCommand({ Bucket, Key: key, ...keeping })),
    )
    if (UploadId === undefined) throw new Error(`the storage gave no upload for ${key}`)
    return UploadId
  }

  async complete(key: string, UploadId: string, parts: readonly PendingPart[]): Promise<void> {
    const Parts = parts.map(({ PartNumber, ETag }) => ({ PartNumber, ETag }))
    await this.#bucket.send((sdk, client) =>
      client.send(new sdk.CompleteMultipartUploadCommand({ Bucket: this.#bucket.name, Key: key, UploadId, MultipartUpload: { Parts } })),
    )
  }

  async copyPart(from: string, to: PartPlace, start: number, endExclusive: number): Promise<PendingPart> {
    const { name } = this.#bucket
    const input = {
      Bucket: name,
      Key: to.key,
      UploadId: to.uploadId,
      PartNumber: to.number,
      CopySource: copySource(name, from),
      CopySourceRange: `bytes=${start}-${endExclusive - 1}`,
    }
    const { CopyPartResult } = await this.#bucket.send((sdk, client) => client.send(new sdk.UploadPartCopyCommand(input)))
    return { PartNumber: to.number, ETag: CopyPartResult?.ETag ?? '', size: endExclusive - start }
  }

  async putPart({ key, uploadId, number }: PartPlace, bytes: Uint8Array): Promise<PendingPart> {
    const input = { Bucket: this.#bucket.name, Key: key, UploadId: uploadId, PartNumber: number, Body: bytes, ContentLength: bytes.length }
    const { ETag = '' } = await this.#bucket.send((sdk, client) => client.send(new sdk.UploadPartCommand(input)))
    return { PartNumber: number, ETag, size: bytes.length }
  }

  async #list(prefix: string): Promise<{ key: string; uploadId: string; startedAt: number }[]> {
    const found: { key: string; uploadId: string; startedAt: number }[] = []
    let marker: { KeyMarker?: string | undefined; UploadIdMarker?: string | undefined } | undefined = {}
    while (marker !== undefined) {
      const input: object = { Prefix: prefix, ...marker }
      const page = await this.#bucket.send((sdk, client) =>
        client.send(new sdk.ListMultipartUploadsCommand({ Bucket: this.#bucket.name, ...input })),
      )
      for (const { Key, UploadId, Initiated } of page.Uploads ?? []) {
        if (Key !== undefined && UploadId !== undefined) found.push({ key: Key, uploadId: UploadId, startedAt: Initiated?.getTime() ?? 0 })
      }
      const hasMore = page.IsTruncated === true && page.NextKeyMarker !== undefined
      marker = hasMore ? { KeyMarker: page.NextKeyMarker, UploadIdMarker: page.NextUploadIdMarker } : undefined
    }
    return found
  }

  async #parts(key: string, UploadId: string): Promise<Part[]> {
    const found: Part[] = []
    let marker: string | undefined
    do {
      const after = marker === undefined ? {} : { PartNumberMarker: marker }
      const page = await this.#bucket.send((sdk, client) =>
        client.send(new sdk.ListPartsCommand({ Bucket: this.#bucket.name, Key: key, UploadId, ...after })),
      )
      found.push(...(page.Parts ?? []))
      marker = page.IsTruncated === true ? page.NextPartNumberMarker : undefined
    } while (marker !== undefined)
    return found
  }

  async abandon(key: string, UploadId: string): Promise<void> {
    this.#known.delete(key)
    await this.#bucket.send((sdk, client) =>
      client.send(new sdk.AbortMultipartUploadCommand({ Bucket: this.#bucket.name, Key: key, UploadId })),
    )
  }
}

/** With its parts, and with the time of the youngest. */
function grown({ uploadId, startedAt }: Pick<Pending, 'uploadId' | 'startedAt'>, parts: readonly SeenPart[]): Pending {
  const size = parts.reduce((sum, part) => sum + part.size, 0)
  return { uploadId, startedAt, parts, baseBytes: 0, size, modifiedAt: Math.max(startedAt, ...parts.map(({ modifiedAt }) => modifiedAt)) }
}

interface SeenPart extends PendingPart {
  readonly modifiedAt: number
}

function pendingPart({ PartNumber = 0, ETag = '', Size = 0, LastModified }: Part): SeenPart {
  return { PartNumber, ETag, size: Size, modifiedAt: LastModified?.getTime() ?? 0 }
}

const nothing: Beginning = { uploadId: undefined, parts: [], baseBytes: 0 }

export function copySource(bucket: string, key: string): string {
  return encodeURIComponent(`${bucket}/${key}`).replaceAll('%2F', '/')
}
