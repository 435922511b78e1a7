// The connection to one container of Azure Blob Storage: whose key signs, how often is asked again, and what its errors mean.
// The SDK is an optional package: only who keeps content in Azure installs it, and it is imported only then.
import type * as Sdk from '@azure/storage-blob'
import type { ContainerClient } from '@azure/storage-blob'
import type { Clock } from '../../lib/clock.ts'
import type { Log } from '../../telemetry/log.ts'
import { AzureSigner } from './azure-signer.ts'
import { isNetworkTrouble, Outage, type Trouble } from './outage.ts'

/** As in distribution's configuration. */
export interface AzureOptions {
  readonly accountName: string
  readonly accountKey?: string | undefined
  /** In place of the account's name and key. */
  readonly connectionString?: string | undefined
  readonly container: string
  /** The account's address; `undefined`: that of its name in the realm. */
  readonly serviceUrl?: string | undefined
  readonly realm: string
  /** Folder in the container; '': none. */
  readonly rootFolder: string
  readonly maxRetries: number
  readonly retryDelayMs: number
  /** Whether clients may be sent to the storage for blobs. */
  readonly redirects: boolean
}

export interface AzureParts {
  readonly clock: Clock
  readonly log: Log
}

export interface AzureConnection {
  readonly container: ContainerClient
  readonly outage: Outage
  /** An address that is good for reading this blob for some minutes. */
  sign(blobName: string, now: number): string
}

const tryTimeoutMs = 60_000
const maxRetryDelayMs = 10_000

/** Connects to nothing. Throws Errors that name the configuration key. */
export async function connectAzure(options: AzureOptions, { clock, log }: AzureParts): Promise<AzureConnection> {
  const sdk = await importSdk()
  const retryOptions = {
    maxTries: options.maxRetries + 1,
    retryDelayInMs: options.retryDelayMs,
    maxRetryDelayInMs: maxRetryDelayMs,
    tryTimeoutInMs: tryTimeoutMs,
  }
  const service = serviceOf(sdk, options, { retryOptions })
  const container = service.getContainerClient(options.container)
  const { credential } = service
  if (!(credential instanceof sdk.StorageSharedKeyCredential)) throw new Error('storage.azure.connectionstring: it has no AccountKey')
  const signer = new AzureSigner({
    account: credential.accountName,
    key: /AccountKey=([^;]+)/i.exec(options.connectionString ?? '')?.[1] ?? options.accountKey ?? '',
    container: options.container,
    containerUrl: container.url,
  })
  return {
    container,
    outage: new Outage({ where: container.url, clock, log, troubleOf }),
    sign: (blobName, now) => signer.sign(blobName, now),
  }
}

async function importSdk(): Promise<typeof Sdk> {
  try {
    return await import('@azure/storage-blob')
  } catch (error) {
    throw new Error('storage.azure: the package @azure/storage-blob is not installed: npm install @azure/storage-blob', { cause: error })
  }
}

function serviceOf(sdk: typeof Sdk, options: AzureOptions, pipeline: Sdk.StoragePipelineOptions): Sdk.BlobServiceClient {
  const { connectionString, accountName, accountKey, realm } = options
  if (connectionString !== undefined) {
    try {
      return sdk.BlobServiceClient.fromConnectionString(connectionString, pipeline)
    } catch (error) {
      throw new Error('storage.azure.connectionstring: it is none: allowed: as the portal shows it', { cause: error })
    }
  }
  if (accountKey === undefined) throw new Error('storage.azure.accountkey: missing; allowed: a key of the account, or connectionstring')
  const credential = new sdk.StorageSharedKeyCredential(accountName, accountKey)
  return new sdk.BlobServiceClient(options.serviceUrl ?? `https://${accountName}.blob.${realm}`, credential, pipeline)
}

function troubleOf(error: unknown): Trouble {
  const status = azureStatusOf(error)
  if (status !== undefined) return status >= 500 || status === 429 ? 'busy' : undefined
  // A RestError without a status: there was no answer.
  return isNetworkTrouble(error) || (error instanceof Error && error.name === 'RestError') ? 'away' : undefined
}

/** The HTTP status of an answer that became an error; `undefined`: there was no answer. */
export function azureStatusOf(error: unknown): number | undefined {
  if (typeof error !== 'object' || error === null || !('statusCode' in error)) return undefined
  return typeof error.statusCode === 'number' ? error.statusCode : undefined
}

/** The service's own word for what is wrong, as `BlobNotFound`; it stands in a header, also where there is no body. */
export function azureCodeOf(error: unknown): unknown {
  if (typeof error !== 'object' || error === null || !('details' in error)) return undefined
  const { details } = error
  return typeof details === 'object' && details !== null && 'errorCode' in details ? details.errorCode : undefined
}
