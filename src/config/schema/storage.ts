// `storage`: one driver with its parameters, and what holds for all drivers.

import { z } from 'zod'

import { anyKeys, boolean, bytes, choice, duration, integer, redacted, secret, sizeLimit, text } from '../leaves.ts'
import { leafFacts } from '../leaves.ts'

/** Keys of `storage` that name a driver; exactly one may be set. `s3aws` is an alias of `s3`. */
export const driverNames = ['filesystem', 'inmemory', 's3', 'azure', 'gcs', 'swift', 'oss'] as const

/** `rootdirectory` may be relative: to the working directory of the process. */
const filesystem = z.object({
  rootdirectory: text().default('/var/lib/registry'),
  maxthreads: integer(1).default(100),
})

const s3 = z.object({
  bucket: text(),
  region: text().optional(),
  accesskey: secret().optional(),
  secretkey: secret().optional(),
  sessiontoken: secret().optional(),
  regionendpoint: text().optional(),
  redirectendpoint: text().optional(),
  forcepathstyle: boolean().optional(),
  encrypt: boolean().default(false),
  keyid: text().optional(),
  secure: boolean().default(true),
  skipverify: boolean().default(false),
  v4auth: boolean().default(true),
  chunksize: bytes().default(10 * 1024 * 1024),
  multipartcopychunksize: bytes().default(32 * 1024 * 1024),
  multipartcopymaxconcurrency: integer(1).default(100),
  multipartcopythresholdsize: bytes().default(32 * 1024 * 1024),
  rootdirectory: text().default(''),
  storageclass: text().default('STANDARD'),
  useragent: text().optional(),
  objectacl: text().default('private'),
  usedualstack: boolean().default(false),
  accelerate: boolean().default(false),
  usefipsendpoint: boolean().default(false),
  loglevel: text().default('off'),
})

const azure = z.object({
  accountname: text(),
  container: text(),
  accountkey: secret().optional(),
  connectionstring: secret().optional(),
  realm: text().default('core.windows.net'),
  rootdirectory: text().default(''),
  serviceurl: text().optional(),
  credentials: z
    .object({
      type: choice('client_secret', 'shared_key', 'default_credentials').optional(),
      clientid: text().optional(),
      tenantid: text().optional(),
      secret: secret().optional(),
    })
    .optional(),
  max_retries: integer(0).default(5),
  retry_delay: duration().default(100),
  skipverify: boolean().default(false),
})

const gcs = z.object({
  bucket: text(),
  keyfile: text().optional(),
  credentials: z
    .record(z.string(), z.unknown())
    .register(leafFacts, { kind: 'any', print: () => ({ redacted }) })
    .optional(),
  rootdirectory: text().default(''),
  chunksize: bytes().default(16 * 1024 * 1024),
  maxconcurrency: integer(1).default(50),
  useragent: text().optional(),
})

const uploadpurging = z.object({
  enabled: boolean().default(true),
  age: duration().default(168 * 3_600_000),
  interval: duration().default(24 * 3_600_000),
  dryrun: boolean().default(false),
})

/** What is stored is read again and compared with its digests. */
const scrub = z.object({
  enabled: boolean().default(false),
  /** Bytes per second. */
  rate: bytes().default(20 * 1024 * 1024),
  /** From the end of one run to the beginning of the next. */
  interval: duration().default(168 * 3_600_000),
})

/** Spans in milliseconds, sizes in bytes. */
export const storage = z.object({
  filesystem: filesystem.optional(),
  inmemory: z.object({}).optional(),
  s3: s3.optional(),
  azure: azure.optional(),
  gcs: gcs.optional(),
  swift: anyKeys().optional(),
  oss: anyKeys().optional(),
  cache: z
    .object({
      blobdescriptor: choice('inmemory', 'redis', 'none').optional(),
      /** Entries; 0 means no limit. */
      blobdescriptorsize: integer(0).default(10_000),
    })
    .prefault({}),
  delete: z.object({ enabled: boolean().default(false) }).prefault({}),
  redirect: z.object({ disable: boolean().default(false) }).prefault({}),
  maintenance: z
    .object({
      uploadpurging: uploadpurging.prefault({}),
      readonly: z.object({ enabled: boolean().default(false) }).prefault({}),
    })
    .prefault({}),
  tag: z.object({ concurrencylimit: integer(0).default(0) }).prefault({}),
  /** Below this much free space nothing new is kept. */
  minfree: sizeLimit().optional(),
  scrub: scrub.prefault({}),
})
