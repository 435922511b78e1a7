// `storage.s3` and `storage.gcs` of the configuration → the driver for a bucket. Part of compose.
import { readFileSync } from 'node:fs'
import type { Config } from '../config/load.ts'
import type { Clock } from '../lib/clock.ts'
import { S3Driver } from '../store/drivers/s3.ts'
import { type S3Options, statusOf } from '../store/drivers/s3-client.ts'
import type { S3Keys } from '../store/drivers/s3-signer.ts'
import { errorText, type Log } from '../telemetry/log.ts'

export interface ObjectStorageParts {
  readonly log: Log
  readonly clock: Clock
}

type Storage = Config['storage']

const gigabyte = 1024 * 1024 * 1024

/** `undefined`: the configuration names no bucket. Throws Errors that name the configuration key for what the storage refuses; one that is away is reported, not fatal. */
export async function openObjectStorage({ storage }: Config, parts: ObjectStorageParts): Promise<S3Driver | undefined> {
  const redirects = !storage.redirect.disable
  const { s3, gcs } = storage
  const options = s3 !== undefined ? s3OptionsOf(s3, redirects) : gcs !== undefined ? gcsOptionsOf(gcs, redirects) : undefined
  if (options === undefined) return undefined
  const driver = await S3Driver.open(options, parts)
  try {
    await driver.probe()
    return driver
  } catch (error) {
    const complaint = refusal(options, error)
    if (complaint === undefined) return driver
    await driver[Symbol.asyncDispose]()
    throw new Error(complaint, { cause: error })
  }
}

function s3OptionsOf(s3: NonNullable<Storage['s3']>, redirects: boolean): S3Options {
  const { accesskey, secretkey, sessiontoken } = s3
  if ((accesskey === undefined) !== (secretkey === undefined)) {
    throw new Error(`storage.s3.${accesskey === undefined ? 'accesskey' : 'secretkey'}: missing; allowed: both keys, or none of them`)
  }
  return {
    key: 'storage.s3',
    bucket: s3.bucket,
    region: s3.region,
    keys: accesskey && secretkey ? { accessKeyId: accesskey, secretAccessKey: secretkey, sessionToken: sessiontoken } : undefined,
    endpoint: s3.regionendpoint,
    redirectEndpoint: s3.redirectendpoint,
    forcePathStyle: s3.forcepathstyle,
    secure: s3.secure,
    skipVerify: s3.skipverify,
    encrypt: s3.encrypt,
    keyId: s3.keyid,
    chunkBytes: s3.chunksize,
    copyChunkBytes: s3.multipartcopychunksize,
    copyConcurrency: s3.multipartcopymaxconcurrency,
    copyThresholdBytes: s3.multipartcopythresholdsize,
    rootFolder: s3.rootdirectory,
    storageClass: s3.storageclass,
    objectAcl: s3.objectacl,
    userAgent: s3.useragent,
    useDualStack: s3.usedualstack,
    accelerate: s3.accelerate,
    useFips: s3.usefipsendpoint,
    redirects,
    copiesParts: true,
  }
}

/** Google's XML API with HMAC keys is S3, except that it can't copy into parts, and copies objects of any size at once. */
export function gcsOptionsOf(gcs: NonNullable<Storage['gcs']>, redirects: boolean): S3Options {
  return {
    key: 'storage.gcs',
    bucket: gcs.bucket,
    region: 'auto',
    keys: hmacKeysOf(gcs),
    endpoint: 'https://storage.googleapis.com',
    forcePathStyle: true,
    secure: true,
    skipVerify: false,
    encrypt: false,
    chunkBytes: gcs.chunksize,
    copyChunkBytes: gigabyte,
    copyConcurrency: gcs.maxconcurrency,
    copyThresholdBytes: Number.MAX_SAFE_INTEGER,
    rootFolder: gcs.rootdirectory,
    storageClass: 'NONE',
    objectAcl: 'private',
    userAgent: gcs.useragent,
    useDualStack: false,
    accelerate: false,
    useFips: false,
    redirects,
    copiesParts: false,
  }
}

const hmacHelp = 'allowed: {"accessId": …, "secret": …} as `gcloud storage hmac create` prints them'

/** As `gcloud storage hmac create` gives them: a key file, or the same in the configuration. */
function hmacKeysOf(gcs: NonNullable<Storage['gcs']>): S3Keys {
  const where = gcs.credentials === undefined ? 'storage.gcs.keyfile' : 'storage.gcs.credentials'
  const found = gcs.credentials ?? (gcs.keyfile === undefined ? undefined : readJson(where, gcs.keyfile))
  if (found === undefined) throw new Error(`storage.gcs.keyfile: missing; ${hmacHelp}`)
  const folded = Object.fromEntries(Object.entries(found).map(([name, value]) => [name.toLowerCase(), value]))
  const { accessid, secret } = folded
  if (typeof accessid === 'string' && typeof secret === 'string') return { accessKeyId: accessid, secretAccessKey: secret }
  const what = folded['type'] === 'service_account' ? 'found the key of a service account, which signs in another way' : 'no HMAC key'
  throw new Error(`${where}: ${what}; ${hmacHelp}`)
}

function readJson(where: string, file: string): object {
  try {
    const value: unknown = JSON.parse(readFileSync(file, 'utf8'))
    if (typeof value === 'object' && value !== null) return value
  } catch (error) {
    throw new Error(`${where}: cannot read ${file}`, { cause: error })
  }
  throw new Error(`${where}: ${file} holds no JSON object`)
}

/** What is wrong with the configuration; `undefined`: the storage is away, which may pass. */
function refusal({ key, bucket, keys }: S3Options, error: unknown): string | undefined {
  const status = statusOf(error)
  const name = error instanceof Error ? error.name : ''
  if (status === 404) return `${key}.bucket: there is no bucket ${bucket}`
  if (status === 301 || name === 'PermanentRedirect' || name === 'AuthorizationHeaderMalformed') {
    return `${key}.region: the bucket ${bucket} is in another region: ${errorText(error)}`
  }
  if (name === 'CredentialsProviderError')
    return `${key}.accesskey: missing, and the environment has no credentials either: ${errorText(error)}`
  if (name === 'InvalidAccessKeyId') return `${key}.accesskey: the storage does not know this key`
  if (name === 'SignatureDoesNotMatch') return `${key}.secretkey: it is not the secret of ${key}.accesskey`
  if (status === 403 || status === 401) {
    const whose = keys === undefined ? 'the credentials of the environment' : `${key}.accesskey`
    return `${key}: ${whose} may not list the bucket ${bucket} (${name})`
  }
  return undefined
}
