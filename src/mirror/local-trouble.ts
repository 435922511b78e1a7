// A disk in trouble must not fail a pull that upstream can serve: what can't be read counts as absent, and the log says so.
import { StorageAway } from '../oci/errors.ts'
import type { Log } from '../telemetry/log.ts'

/** The answer, or `undefined` when the store fails to give one. */
export async function patiently<T>(read: () => Promise<T | undefined>, log: Log, what: object): Promise<T | undefined> {
  try {
    return await read()
  } catch (error) {
    logTrouble(log, { ...what, error }, 'the store cannot be read: asking upstream instead')
    return undefined
  }
}

/** That the whole store is away is in the log already: what comes of it, blob by blob, is no news. */
export function logTrouble(log: Log, what: { readonly error: unknown; readonly [fact: string]: unknown }, message: string): void {
  if (what.error instanceof StorageAway) log.debug(what, message)
  else log.error(what, message)
}
