// What becomes of a driver's failure: an error that also says what was attempted.
import { isRegistryError, RegistryError } from '../oci/errors.ts'

/** `attempted` is like `reading blob sha256:…`. An error that is meant for the client stays as it is. */
export function trouble(attempted: string, error: unknown): Error {
  return isRegistryError(error) ? error : new Error(attempted, { cause: error })
}

/** For what a client pushes: that the disk is full is no secret, and tells it to come back later rather than to give up. */
export function pushTrouble(attempted: string, error: unknown): Error {
  const isFull = error instanceof Error && 'code' in error && (error.code === 'ENOSPC' || error.code === 'EDQUOT')
  if (!isFull) return trouble(attempted, error)
  const cause = new Error(attempted, { cause: error })
  return new RegistryError('UNAVAILABLE', 'service unavailable', { detail: 'the storage of the registry is full', cause })
}
