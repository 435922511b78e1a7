// The errors that a registry may tell its clients: a closed list of codes, and one class that carries them.
// HTTP statuses are not known here; see http/error-response.ts.

/** distribution-spec, "Error Codes", plus distribution's own additions (UNKNOWN, UNAVAILABLE, RANGE_INVALID, …). */
export type ErrorCode =
  | 'BLOB_UNKNOWN'
  | 'BLOB_UPLOAD_INVALID'
  | 'BLOB_UPLOAD_UNKNOWN'
  | 'DENIED'
  | 'DIGEST_INVALID'
  | 'MANIFEST_BLOB_UNKNOWN'
  | 'MANIFEST_INVALID'
  | 'MANIFEST_UNKNOWN'
  | 'NAME_INVALID'
  | 'NAME_UNKNOWN'
  | 'PAGINATION_NUMBER_INVALID'
  | 'RANGE_INVALID'
  | 'SIZE_INVALID'
  | 'TAG_INVALID'
  | 'TOOMANYREQUESTS'
  | 'UNAUTHORIZED'
  | 'UNAVAILABLE'
  | 'UNKNOWN'
  | 'UNSUPPORTED'

export interface RegistryErrorOptions {
  /** Shown to the client as `detail`: must hold nothing about paths, upstream addresses or secrets. */
  readonly detail?: unknown
  readonly cause?: unknown
}

/** An error that a client may see as it is. Anything else that is thrown becomes UNKNOWN, with its text kept in the log. */
export class RegistryError extends Error {
  readonly code: ErrorCode
  readonly detail: unknown

  constructor(code: ErrorCode, message: string, options: RegistryErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'RegistryError'
    this.code = code
    this.detail = options.detail
  }
}

export function isRegistryError(error: unknown, code?: ErrorCode): error is RegistryError {
  return error instanceof RegistryError && (code === undefined || error.code === code)
}

/** The whole store is away, which the log was told of when it began. */
export class StorageAway extends RegistryError {
  constructor(cause: unknown) {
    super('UNAVAILABLE', 'service unavailable', { detail: 'the storage of the registry cannot be reached', cause })
    this.name = 'StorageAway'
  }
}

/** Several at once, all of which the client is to see; it counts as the first of them. */
export class RegistryErrors extends RegistryError {
  readonly errors: readonly RegistryError[]

  constructor(errors: readonly [RegistryError, ...RegistryError[]]) {
    const [first] = errors
    super(first.code, first.message, { detail: first.detail, cause: first.cause })
    this.name = 'RegistryErrors'
    this.errors = errors
  }
}
