// How errors look to clients: status, body and headers. The only place that knows HTTP statuses of error codes.
import { UpstreamFailure, type UpstreamFailureKind } from '../content.ts'
import { type ErrorCode, RegistryError, RegistryErrors } from '../oci/errors.ts'
import { answerJson, type Exchange } from './exchange.ts'
import { BodyOverLimit, BodyTooLarge } from './request-body.ts'

/** Total on purpose: a new code without a status does not compile. distribution-spec, "Error Codes", and distribution's own. */
export const statusOf: Readonly<Record<ErrorCode, number>> = {
  BLOB_UNKNOWN: 404,
  BLOB_UPLOAD_INVALID: 404,
  BLOB_UPLOAD_UNKNOWN: 404,
  DENIED: 403,
  DIGEST_INVALID: 400,
  MANIFEST_BLOB_UNKNOWN: 400,
  MANIFEST_INVALID: 400,
  MANIFEST_UNKNOWN: 404,
  NAME_INVALID: 400,
  NAME_UNKNOWN: 404,
  PAGINATION_NUMBER_INVALID: 400,
  RANGE_INVALID: 416,
  SIZE_INVALID: 400,
  TAG_INVALID: 400,
  TOOMANYREQUESTS: 429,
  UNAUTHORIZED: 401,
  UNAVAILABLE: 503,
  UNKNOWN: 500,
  UNSUPPORTED: 405,
}

export interface ErrorAnswer {
  readonly status: number
  readonly code: ErrorCode
  readonly message: string
  readonly detail?: unknown
  readonly retryAfterSeconds?: number | undefined
}

/** Never says more than a client may know: a failure's own text can name hosts and paths, so it stays in the log. */
export function errorAnswerOf(error: unknown): ErrorAnswer {
  // distribution-spec, "Pushing Manifests": a manifest over the limit is answered 413.
  if (error instanceof BodyTooLarge) return { status: 413, code: 'MANIFEST_INVALID', message: 'manifest invalid', detail: error.message }
  if (error instanceof BodyOverLimit) return { status: 413, code: 'SIZE_INVALID', message: error.message }
  if (error instanceof RegistryError) {
    return { status: statusOf[error.code], code: error.code, message: error.message, detail: error.detail }
  }
  if (error instanceof UpstreamFailure) {
    const answered = upstreamAnswers[error.kind](error.status)
    return error.kind === 'rate-limited' || error.kind === 'unavailable'
      ? { ...answered, retryAfterSeconds: error.retryAfterSeconds }
      : answered
  }
  return { status: 500, code: 'UNKNOWN', message: 'unknown error' }
}

// Denied carries no challenge: it would make docker send its login of another registry to this one.
const upstreamAnswers: Readonly<Record<UpstreamFailureKind, (status: number | undefined) => ErrorAnswer>> = {
  denied: () => ({ status: 403, code: 'DENIED', message: 'requested access to the resource is denied' }),
  'login-refused': () => ({ status: 403, code: 'DENIED', message: 'upstream refuses the credentials of this mirror' }),
  'rate-limited': () => ({ status: 429, code: 'TOOMANYREQUESTS', message: 'too many requests: upstream limits the rate of pulls' }),
  timeout: () => ({ status: 504, code: 'UNAVAILABLE', message: 'upstream did not answer in time' }),
  unreachable: () => ({ status: 502, code: 'UNAVAILABLE', message: 'upstream cannot be reached' }),
  broken: () => ({ status: 502, code: 'UNAVAILABLE', message: 'upstream gave an answer that cannot be used' }),
  unavailable: (status) => ({ status: gatewayStatusOf(status), code: 'UNAVAILABLE', message: 'upstream is not available' }),
}

/** A 500 of upstream is not one of ours, so clients see a bad gateway. */
function gatewayStatusOf(status: number | undefined): number {
  if (status === undefined) return 503
  return status === 503 || status === 504 ? status : 502
}

/** A push to, or a delete from, what is mirrored. */
export class MirroredError extends RegistryError {
  constructor(detail: string) {
    super('UNSUPPORTED', 'The operation is unsupported.', { detail })
  }
}

/** RFC 9110, section 15.5.6: 405 must say what is taken. There are no uploads of what is mirrored, not even to ask for. */
function allowedWhereMirrored(path: string): string {
  return /\/blobs\/uploads(?:\/|$)/.test(path) ? '' : 'GET, HEAD'
}

export function answerError(exchange: Exchange, error: unknown, extraHeaders: readonly string[] = []): void {
  const { status, retryAfterSeconds } = errorAnswerOf(error)
  const headers = [...extraHeaders]
  if (error instanceof MirroredError) headers.push('Allow', allowedWhereMirrored(exchange.path))
  if (retryAfterSeconds !== undefined) headers.push('Retry-After', String(Math.max(0, Math.ceil(retryAfterSeconds))))
  const told = error instanceof RegistryErrors ? error.errors : [error]
  const errors = told
    .map(errorAnswerOf)
    .map(({ code, message, detail }) => (detail === undefined ? { code, message } : { code, message, detail }))
  answerJson(exchange, status, headers, { errors })
}
