// Whole objects that come from elsewhere: from another key of the bucket, or from a file of this machine.
import { createReadStream } from 'node:fs'
import { absent, type Bucket } from './s3-bucket.ts'
import { statusOf } from './s3-client.ts'
import { minPartBytes, type PendingPart } from './s3-part-writer.ts'
import { copySource, type S3Uploads } from './s3-uploads.ts'

const uploadsAtOnce = 4

export interface Copy {
  readonly source: string
  readonly target: string
  readonly size: number
}

/** Throws ENOENT. */
export async function copyObject(bucket: Bucket, uploads: S3Uploads, { source, target, size }: Copy): Promise<void> {
  const { copyThresholdBytes, copiesParts } = bucket.options
  try {
    if (size > copyThresholdBytes && copiesParts) return await copyInParts(bucket, uploads, { source, target, size })
    const { name, keeping } = bucket
    const from = { CopySource: copySource(name, source), MetadataDirective: 'REPLACE' } as const
    await bucket.send((sdk, client) => client.send(new sdk.CopyObjectCommand({ Bucket: name, Key: target, ...from, ...keeping })))
  } catch (error) {
    throw statusOf(error) === 404 ? absent(source) : error
  }
}

/** A part that fails leaves nothing behind. */
async function copyInParts(bucket: Bucket, uploads: S3Uploads, { source, target, size }: Copy): Promise<void> {
  const { copyChunkBytes, copyConcurrency } = bucket.options
  const uploadId = await uploads.create(target)
  try {
    const count = Math.ceil(size / copyChunkBytes)
    const parts: PendingPart[] = Array.from({ length: count })
    let next = 0
    const work = async (): Promise<void> => {
      for (let index = next++; index < count; index = next++) {
        const start = index * copyChunkBytes
        const place = { key: target, uploadId, number: index + 1 }
        parts[index] = await uploads.copyPart(source, place, start, Math.min(start + copyChunkBytes, size))
      }
    }
    await Promise.all(Array.from({ length: Math.min(copyConcurrency, count) }, work))
    await uploads.complete(target, uploadId, parts)
  } catch (error) {
    await uploads.abandon(target, uploadId).catch(() => undefined)
    throw error
  }
}

export async function uploadFile(bucket: Bucket, key: string, file: string, size: number): Promise<void> {
  const { Upload } = await import('@aws-sdk/lib-storage')
  const { chunkBytes } = bucket.options
  await bucket.send(async (_sdk, client) => {
    const body = createReadStream(file, { highWaterMark: 1024 * 1024 })
    const params = { Bucket: bucket.name, Key: key, Body: body, ...bucket.keeping }
    // A multipart upload has at most 10,000 parts.
    const partSize = Math.max(chunkBytes, minPartBytes, Math.ceil(size / 9999))
    try {
      await new Upload({ client, params, partSize, queueSize: uploadsAtOnce, leavePartsOnError: false }).done()
    } finally {
      body.destroy()
    }
  })
}
