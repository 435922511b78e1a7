// A disk in trouble must not fail a pull that upstream can serve: what can't be read counts as absent, and the log says so.
import type { Log } from '../telemetry/log.ts'

/** The answer, or `undefined` when the store fails to give one. */
export async function patiently<T>(read: () => Promise<T | undefined>, log: Log, what: object): Promise<T | undefined> {
  try {
    return await read()
  } catch (error) {
    log.error({ ...what, error }, 'the store cannot be read: asking upstream instead')
    return undefined
  }
}
