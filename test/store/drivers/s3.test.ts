import assert from 'node:assert/strict'
import { after, before } from 'node:test'
import { systemClock } from '../../../src/lib/clock.ts'
import { S3Driver } from '../../../src/store/drivers/s3.ts'
import { silentLog } from '../../../src/telemetry/log.ts'
import { storageDriverContract } from '../../contracts/storage-driver.ts'
import { needsPackages } from '../../support/packages.ts'
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
