// The connection to one bucket: the SDK's client for what changes something, our own signed requests for reading objects.
// The SDK is imported only when a bucket is opened, because it costs 65 ms and 35 MB.
import { Agent as HttpAgent } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import type * as Sdk from '@aws-sdk/client-s3'
import type { S3Client, S3ClientConfig } from '@aws-sdk/client-s3'
import { Agent } from 'undici'
import type { Clock } from '../../lib/clock.ts'
import type { Log } from '../../telemetry/log.ts'
import { isNetworkTrouble, Outage, type Trouble } from './outage.ts'
import type { S3Keys } from './s3-signer.ts'

/** As in distribution's configuration; sizes in bytes. */
export interface S3Options {
  readonly bucket: string
  /** May be left out with an endpoint. */
  readonly region?: string | undefined
  /** Without keys: the SDK's chain (environment, shared files, SSO, web identity, container and instance roles). */
  readonly keys?: S3Keys | undefined
  /** URL or host; `undefined`: that of the region. */
  readonly endpoint?: string | undefined
  /** URL or host that clients are redirected to; `undefined`: the endpoint. */
  readonly redirectEndpoint?: string | undefined
  /** The bucket as the first part of the path, not of the host. Default: with an endpoint. */
  readonly forcePathStyle?: boolean | undefined
  readonly secure: boolean
  readonly skipVerify: boolean
  readonly encrypt: boolean
  readonly keyId?: string | undefined
  readonly chunkBytes: number
  readonly copyChunkBytes: number
  readonly copyConcurrency: number
  readonly copyThresholdBytes: number
  /** Folder in the bucket; '': none. */
  readonly rootFolder: string
  /** `NONE`: the bucket's own. */
  readonly storageClass: string
  readonly objectAcl: string
  readonly userAgent?: string | undefined
  readonly useDualStack: boolean
  readonly accelerate: boolean
  readonly useFips: boolean
  /** Whether clients may be sent to the storage for blobs. */
  readonly redirects: boolean
  /** False for services that can't copy an object into a part of another one. */
  readonly copiesParts: boolean
  /** The configuration key, for messages: `storage.s3`. */
  readonly key: string
}

export interface S3Parts {
  readonly clock: Clock
  readonly log: Log
}

export type S3Sdk = typeof Sdk

export interface S3Connection extends AsyncDisposable {
  readonly sdk: S3Sdk
  readonly client: S3Client
  readonly dispatcher: Agent
  readonly region: string
  /** `http://host:port` and the path before a key: `/bucket/` or `/`. */
  readonly origin: string
  readonly basePath: string
  readonly outage: Outage
  keys(): Promise<S3Keys>
}

const connectTimeoutMs = 5000
/** Until an object that is asked for begins to come, and between its bytes: a pull waits for it, and has upstream in reserve. */
const readTimeoutMs = 10_000
/** Copies within the storage are silent for long. */
const changeTimeoutMs = 60_000
const maxConnections = 256

/** Connects to nothing. Throws Errors that name the configuration key. */
export async function connectS3(options: S3Options, { clock, log }: S3Parts): Promise<S3Connection> {
  const region = options.region ?? (options.endpoint === undefined ? undefined : 'us-east-1')
  if (region === undefined) throw new Error(`${options.key}.region: needed where there is no regionendpoint`)
  const sdk = await import('@aws-sdk/client-s3')
  const settings = clientSettings(options, region)
  const tls = { rejectUnauthorized: !options.skipVerify }
  const requestHandler = {
    connectionTimeout: connectTimeoutMs,
    socketTimeout: changeTimeoutMs,
    httpAgent: new HttpAgent({ keepAlive: true, maxSockets: maxConnections }),
    httpsAgent: new HttpsAgent({ keepAlive: true, maxSockets: maxConnections, ...tls }),
  }
  const client = new sdk.S3Client({ ...settings, requestHandler })
  const dispatcher = new Agent({
    connections: maxConnections,
    connect: { ...tls, timeout: connectTimeoutMs },
    headersTimeout: readTimeoutMs,
    bodyTimeout: readTimeoutMs,
  })
  const base = await baseOf(sdk, settings, options.bucket)
  return {
    sdk,
    client,
    dispatcher,
    region,
    ...base,
    outage: new Outage({ where: `${base.origin}${base.basePath}`, clock, log, troubleOf }),
    keys: () => client.config.credentials(),
    async [Symbol.asyncDispose]() {
      client.destroy()
      await dispatcher.destroy()
    },
  }
}

function clientSettings(options: S3Options, region: string): S3ClientConfig {
  const { endpoint, keys, secure, userAgent } = options
  return {
    region,
    ...(endpoint === undefined ? {} : { endpoint: urlOf(endpoint, secure) }),
    ...(keys === undefined ? {} : { credentials: keys as { accessKeyId: string; secretAccessKey: string } }),
    ...(userAgent === undefined ? {} : { customUserAgent: userAgent }),
    forcePathStyle: options.forcePathStyle ?? endpoint !== undefined,
    tls: secure,
    useDualstackEndpoint: options.useDualStack,
    useAccelerateEndpoint: options.accelerate,
    useFipsEndpoint: options.useFips,
    maxAttempts: 4,
    // The SDK's own choice frames a streamed body in a way that other services than Amazon's refuse or store as it comes.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
  }
}

export function urlOf(endpoint: string, secure: boolean): string {
  return /^https?:\/\//.test(endpoint) ? endpoint : `${secure ? 'https' : 'http'}://${endpoint}`
}

/** Where the SDK would send a request for the bucket: it knows all kinds of endpoints. Nothing is sent. */
async function baseOf(sdk: S3Sdk, settings: S3ClientConfig, bucket: string): Promise<{ origin: string; basePath: string }> {
  let found: { readonly origin: string; readonly basePath: string } | undefined
  const enough = new Error('only the address was wanted')
  const handle = async (request: { protocol: string; hostname: string; port?: number; path: string }) => {
    const port = request.port === undefined ? '' : `:${request.port}`
    const path = request.path.endsWith('/') ? request.path : `${request.path}/`
    found = { origin: new URL(`${request.protocol}//${request.hostname}${port}`).origin, basePath: path }
    throw enough
  }
  const client = new sdk.S3Client({
    ...settings,
    maxAttempts: 1,
    credentials: { accessKeyId: 'none', secretAccessKey: 'none' },
    requestHandler: { handle },
  })
  try {
    await client.send(new sdk.HeadBucketCommand({ Bucket: bucket }))
  } catch (error) {
    if (found === undefined) throw error
  }
  if (found === undefined) throw new Error(`no address for the bucket ${bucket}`)
  return found
}

/** From the SDK and from undici alike. */
export function troubleOf(error: unknown): Trouble {
  const status = statusOf(error)
  if (status !== undefined) return status >= 500 || status === 429 ? 'busy' : undefined
  return isNetworkTrouble(error) || (error instanceof Error && error.name === 'TimeoutError') ? 'away' : undefined
}

/** The HTTP status of an answer that became an error; `undefined`: there was no answer. */
export function statusOf(error: unknown): number | undefined {
  if (typeof error !== 'object' || error === null) return undefined
  if ('$metadata' in error) return (error.$metadata as { httpStatusCode?: number }).httpStatusCode
  return 'statusCode' in error && typeof error.statusCode === 'number' ? error.statusCode : undefined
}
