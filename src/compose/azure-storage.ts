// `storage.azure` of the configuration → the driver for a container. Part of compose.
import type { Config } from '../config/load.ts'
import { AzureDriver } from '../store/drivers/azure.ts'
import { type AzureOptions, azureCodeOf, azureStatusOf } from '../store/drivers/azure-client.ts'
import { errorText } from '../telemetry/log.ts'
import type { ObjectStorageParts } from './object-storage.ts'

type Azure = NonNullable<Config['storage']['azure']>

/** `undefined`: the configuration names no container. Throws Errors that name the configuration key for what the storage refuses; one that is away is reported, not fatal. */
export async function openAzure({ storage: { azure, redirect } }: Config, parts: ObjectStorageParts): Promise<AzureDriver | undefined> {
  if (azure === undefined) return undefined
  const type = azure.credentials?.type
  if (type !== undefined && type !== 'shared_key') {
    throw new Error(`storage.azure.credentials.type: ${type} is not built; allowed: shared_key with accountkey, or connectionstring`)
  }
  const driver = await AzureDriver.open(azureOptionsOf(azure, !redirect.disable), parts)
  try {
    await driver.probe()
  } catch (error) {
    const complaint = refusal(azure, error)
    if (complaint !== undefined) throw new Error(complaint, { cause: error })
  }
  return driver
}

function azureOptionsOf(azure: Azure, redirects: boolean): AzureOptions {
  return {
    accountName: azure.accountname,
    accountKey: azure.accountkey,
    connectionString: azure.connectionstring,
    container: azure.container,
    serviceUrl: azure.serviceurl,
    realm: azure.realm,
    rootFolder: azure.rootdirectory,
    maxRetries: azure.max_retries,
    retryDelayMs: azure.retry_delay,
    redirects,
  }
}

/** What is wrong with the configuration; `undefined`: the storage is away, which may pass. */
function refusal({ container, accountname }: Azure, error: unknown): string | undefined {
  const status = azureStatusOf(error)
  if (status === 404) return `storage.azure.container: there is no container ${container}`
  if (status !== 401 && status !== 403) return undefined
  return azureCodeOf(error) === 'AuthenticationFailed'
    ? `storage.azure.accountkey: it is not a key of ${accountname}`
    : `storage.azure: the account ${accountname} may not list the container ${container}: ${errorText(error)}`
}
