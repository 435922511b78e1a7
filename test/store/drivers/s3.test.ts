import assert from 'node:assert/strict'
import { CreateMultipartUploadCommand, ListMultipartUploadsCommand } from '@aws-sdk/client-s3'
import { after, before, describe, it } from 'node:test'
import { systemClock } from '../../../src/lib/clock.ts'
import { S3Driver } from '../../../src/store/drivers/s3.ts'
import { silentLog } from '../../../src/telemetry/log.ts'
import { storageDriverContract } from '../../contracts/storage-driver.ts'
import { needsPackages } from '../../support/packages.ts'
import { seededBytes } from '../../support/images.ts'
import { type Radosgw, radosgwPackages, startRadosgw } from '../../support/servers/radosgw.ts'
import { s3Options } from './s3-options.ts'

const suite = await needsPackages('the S3 driver on radosgw', radosgwPackages)
let s3: Radosgw | undefined
let bucket = ''

if (suite.skip === undefined) {
  before(async () => {
    s3 = await startRadosgw()
    bucket = await s3.newBucket()
  })
  after(() => s3?.[Symbol.asyncDispose]())
}

const never = new AbortController().signal

async function* chunks(...all: readonly Uint8Array[]): AsyncGenerator<Uint8Array, void, void> {
  yield* all
}

let folders = 0

async function openDriver(more: Parameters<typeof s3Options>[2] = {}, parts: object = {}) {
  assert.ok(s3)
  // A folder for each test: an empty place, in much less time than a bucket.
  const options = s3Options(s3, bucket, { rootFolder: `/folder-${++folders}/`, ...more })
  const driver = await S3Driver.open(options, { clock: systemClock, log: silentLog, ...parts })
  return { driver, [Symbol.asyncDispose]: () => driver[Symbol.asyncDispose]() }
}

storageDriverContract('s3', () => openDriver(), { hasFolders: false, ...suite })

const inSteps = { isGrowing: (path: string) => path.endsWith('/data'), mayHoldGrowing: () => true }
const inParts = { copyThresholdBytes: 0, copyChunkBytes: 5 * 1024 * 1024 }
const growing = () => openDriver(inParts, inSteps)
storageDriverContract('s3, files that grow in steps, copies in parts', growing, { hasFolders: false, ...suite })

describe('the S3 driver on radosgw, besides the contract', suite, () => {
  it('without copies into parts, as on Google, what grows is sent again, and what moves is copied at once', async () => {
    const few = { copiesParts: false, copyThresholdBytes: 0, chunkBytes: 5 * 1024 * 1024 }
    await using opened = await openDriver(few, inSteps)
    const { driver } = opened
    const bytes = Buffer.alloc(6_000_000, 'entrepot ')
    const ends = [0, 5_500_000, 5_600_000, bytes.length]
    for (const [index, end] of ends.slice(1).entries()) {
      const start = ends[index] ?? 0
      assert.equal(await driver.append('/top/data', start, chunks(bytes.subarray(start, end)), never), end)
    }
    await driver.move('/top/data', '/top/moved')
    assert.ok(bytes.equals((await driver.read('/top/moved')) ?? Buffer.alloc(0)))
  })

  it('many parts are sent byte for byte, from chunks that are given away', async () => {
    await using opened = await openDriver({ chunkBytes: 5 * 1024 * 1024 }, inSteps)
    const bytes = seededBytes('many parts', 23_000_001)
    async function* given() {
      // Each in memory of its own, as a request's are.
      for (let start = 0; start < bytes.length; start += 600_000) {
        const chunk = new Uint8Array(Math.min(600_000, bytes.length - start))
        chunk.set(bytes.subarray(start, start + chunk.length))
        yield chunk
      }
    }
    const size = await opened.driver.append('/top/data', 0, given(), never, { freesChunks: true, isNew: true })
    assert.equal(size, bytes.length)
    assert.deepEqual({ ...opened.driver.recall('/top/data'), modifiedAt: 0 }, { kind: 'file', size, modifiedAt: 0 })
    await opened.driver.move('/top/data', '/top/moved')
    assert.ok(bytes.equals((await opened.driver.read('/top/moved')) ?? Buffer.alloc(0)))
  })

  it('garbage collection ends what a crash cut off on its way into the bucket, and neither what is young nor what grows', async () => {
    assert.ok(s3)
    await using opened = await openDriver()
    const root = `folder-${folders}`
    const uploads = ['/top/blobs/data', '/top/_uploads/one/data', '/elsewhere/data']
    for (const path of uploads) await s3.client.send(new CreateMultipartUploadCommand({ Bucket: bucket, Key: `${root}${path}` }))
    const left = async () => {
      const { Uploads = [] } = (await s3?.client.send(new ListMultipartUploadsCommand({ Bucket: bucket, Prefix: root }))) ?? {}
      return new Set(Uploads.map(({ Key }) => Key?.slice(root.length)))
    }
    assert.equal(await opened.driver.removeLeftovers('/top', Date.now() - 60_000), 0)
    assert.deepEqual(await left(), new Set(uploads))
    assert.equal(await opened.driver.removeLeftovers('/top', Date.now() + 60_000), 1)
    assert.deepEqual(await left(), new Set(uploads.slice(1)))
  })
})
