// What becomes of a driver's failure: an error that also says what was attempted.
import { isRegistryError } from '../oci/errors.ts'

/** `attempted` is like `reading blob sha256:…`. An error that is meant for the client stays as it is. */
export function trouble(attempted: string, error: unknown): Error {
  return isRegistryError(error) ? error : new Error(attempted, { cause: error })
}
