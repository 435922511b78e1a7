// Objects that grow: multipart uploads, in distribution's way, so that either program goes on with what the other has begun.
// All that there is of such an object is in S3: its unfinished multipart upload, found by ListMultipartUploads.
//
//   append          parts behind the parts that are there
//   last part small S3 takes parts below 5 MiB only at the end: the upload is completed, and a new one begun with the object as
//                   its first part (copied by S3; or, where the whole is below 5 MiB, sent again)
//   settle          the upload is completed, and the object there to be read and moved
import type { Part } from '@aws-sdk/client-s3'
import type { Bucket } from './s3-bucket.ts'
import { type Beginning, type PartPlace, type PendingPart, PartWriter } from './s3-part-writer.ts'

export interface GrowingObject {
  readonly size: number
  /** Milliseconds since 1970. */
  readonly modifiedAt: number
}

interface Pending extends GrowingObject, Beginning {
  readonly uploadId: string
}

export class S3Uploads {
  readonly #bucket: Bucket

  constructor(bucket: Bucket) {
    this.#bucket = bucket
  }

  /** `undefined`: no upload of this key is in progress. */
  async find(key: string): Promise<Pending | undefined> {
    const uploads = await this.#list(key)
    // Where a crash left two, the newer one goes on.
    const newest = uploads.filter((upload) => upload.key === key).sort((a, b) => b.startedAt - a.startedAt)[0]
    if (newest === undefined) return undefined
    const parts = await this.#parts(key, newest.uploadId)
    const object = parts.length === 0 ? await this.#bucket.head(key) : undefined
    const times = parts.map((part) => part.LastModified?.getTime() ?? 0)
    return {
      uploadId: newest.uploadId,
      parts: parts.map((part) => ({ PartNumber: part.PartNumber ?? 0, ETag: part.ETag ?? '', size: part.Size ?? 0 })),
      baseBytes: object?.size ?? 0,
      size: parts.reduce((sum, part) => sum + (part.Size ?? 0), object?.size ?? 0),
      modifiedAt: Math.max(newest.startedAt, object?.modifiedAt ?? 0, ...times),
    }
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
    for (const { key, uploadId } of meant) await this.#abort(key, uploadId)
    return meant.length > 0
  }

  /** What writers that a crash cut off have begun before `olderThanAt`. Answers how many. */
  async abortOld(prefix: string, olderThanAt: number, isMeant: (key: string) => boolean): Promise<number> {
    const old = (await this.#list(prefix)).filter(({ key, startedAt }) => startedAt < olderThanAt && isMeant(key))
    for (const { key, uploadId } of old) await this.#abort(key, uploadId)
    return old.length
  }

  /** As `StorageDriver.append`. What is appended may be seen by `find` and, after `settle`, be read. */
  async append(key: string, offset: number, body: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<number> {
    const found = await this.#beginning(key)
    if (found === undefined && offset > 0) throw Object.assign(new Error(`ENOENT: ${key}`), { code: 'ENOENT' })
    const size = found?.size ?? 0
    if (size !== offset) throw new Error(`${key} has ${size} bytes, so nothing can be appended at ${offset}`)
    const writer = new PartWriter(this.#bucket, this, key, found ?? nothing)
    if (found === undefined) await writer.begin()
    try {
      for await (const chunk of body) {
        signal.throwIfAborted()
        await writer.add(chunk)
      }
    } catch (error) {
      // What failed first is what the caller must hear of.
      await writer.end().catch(() => undefined)
      throw error
    }
    return writer.end()
  }

  async #beginning(key: string): Promise<(Beginning & GrowingObject) | undefined> {
    const pending = await this.find(key)
    if (pending !== undefined) return pending
    const object = await this.#bucket.head(key)
    return object === undefined ? undefined : { ...nothing, baseBytes: object.size, size: object.size, modifiedAt: object.modifiedAt }
  }

  /** Makes a grown object whole, to be read and moved. Nothing happens to one that is. */
  async settle(key: string): Promise<void> {
    const pending = await this.find(key)
    if (pending === undefined) return
    if (pending.parts.length > 0) return this.complete(key, pending.uploadId, pending.parts)
    if ((await this.#bucket.head(key)) === undefined) await this.#bucket.put(key, new Uint8Array())
    await this.#abort(key, pending.uploadId)
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

  /** A new object of the bytes of another one. A part that fails leaves nothing behind. */
  async copyInParts(from: string, to: string, size: number): Promise<void> {
    const { copyChunkBytes, copyConcurrency } = this.#bucket.options
    const uploadId = await this.create(to)
    try {
      const count = Math.ceil(size / copyChunkBytes)
      const parts: PendingPart[] = Array.from({ length: count })
      let next = 0
      const work = async (): Promise<void> => {
        for (let index = next++; index < count; index = next++) {
          const start = index * copyChunkBytes
          parts[index] = await this.copyPart(from, { key: to, uploadId, number: index + 1 }, start, Math.min(start + copyChunkBytes, size))
        }
      }
      await Promise.all(Array.from({ length: Math.min(copyConcurrency, count) }, work))
      await this.complete(to, uploadId, parts)
    } catch (error) {
      await this.#abort(to, uploadId).catch(() => undefined)
      throw error
    }
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

  async #abort(key: string, UploadId: string): Promise<void> {
    await this.#bucket.send((sdk, client) =>
      client.send(new sdk.AbortMultipartUploadCommand({ Bucket: this.#bucket.name, Key: key, UploadId })),
    )
  }
}

const nothing: Beginning = { uploadId: undefined, parts: [], baseBytes: 0 }

export function copySource(bucket: string, key: string): string {
  return encodeURIComponent(`${bucket}/${key}`).replaceAll('%2F', '/')
}
