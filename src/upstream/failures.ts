// What went wrong upstream, in the words of the seam: a status or an exception becomes an UpstreamFailure. Pure.
import { UpstreamFailure } from '../content.ts'
import { CircuitOpen } from './breaker.ts'

/** An answer that can't be parsed is often the bare 429 of an abuse filter, so it asks for the pause that such a 429 asks for. */
const pauseAfterParseErrorSeconds = 60

const timeoutCodes = new Set(['UND_ERR_CONNECT_TIMEOUT', 'UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT', 'ETIMEDOUT'])
const staleSocketCodes = new Set(['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE'])
const brokenCodes = new Set(['UND_ERR_RES_CONTENT_LENGTH_MISMATCH', 'UND_ERR_RES_EXCEEDED_MAX_SIZE'])

/** The URL without what may be secret: userinfo, query and fragment. */
export function printableUrl(url: URL): string {
  return `${url.protocol}//${url.host}${url.pathname}`
}

/** `code` of an error, where it has one. */
export function codeOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}

/** Whether the connection may have died before the request reached anybody: a keep-alive socket that the server closed meanwhile. */
export function isStaleSocket(error: unknown): boolean {
  return staleSocketCodes.has(codeOf(error) ?? '')
}

/** Whether no connection came about, as opposed to trouble on one. Another address may work then. */
export function isConnectTrouble(failure: UpstreamFailure): boolean {
  return failure.kind === 'unreachable' || failure instanceof CircuitOpen || codeOf(failure.cause) === 'UND_ERR_CONNECT_TIMEOUT'
}

/** What an exception of the HTTP client means. `doing` says what was attempted. */
export function failureOfError(error: unknown, doing: string): UpstreamFailure {
  if (error instanceof UpstreamFailure) return error
  const code = codeOf(error) ?? ''
  const text = error instanceof Error && error.message !== '' ? error.message : code
  if (timeoutCodes.has(code)) return new UpstreamFailure('timeout', `${doing}: no answer in time`, { cause: error })
  if (isParseError(error, code)) {
    return new UpstreamFailure('broken', `${doing}: the answer is not HTTP (${code})`, {
      cause: error,
      retryAfterSeconds: pauseAfterParseErrorSeconds,
    })
  }
  if (brokenCodes.has(code)) return new UpstreamFailure('broken', `${doing}: ${text}`, { cause: error })
  return new UpstreamFailure('unreachable', `${doing}: ${text}`, { cause: error })
}

function isParseError(error: unknown, code: string): boolean {
  return code.startsWith('HPE_') || code === 'UND_ERR_HEADERS_OVERFLOW' || (error instanceof Error && error.name === 'HTTPParserError')
}

/** What a status that is neither success nor 404 means. `now` is ms since 1970, to read a Retry-After that is a date. */
export function failureOfStatus(status: number, retryAfter: string | undefined, doing: string, now: number): UpstreamFailure {
  const retryAfterSeconds = parseRetryAfter(retryAfter, now)
  const message = `${doing}: answered ${status}`
  if (status === 401 || status === 403) return new UpstreamFailure('denied', message, { status })
  if (status === 429) return new UpstreamFailure('rate-limited', message, { status, retryAfterSeconds })
  if (status >= 500) return new UpstreamFailure('unavailable', message, { status, retryAfterSeconds })
  return new UpstreamFailure('broken', message, { status })
}

/** Seconds from now (RFC 9110, section 10.2.3: a number of seconds or a date); `undefined` when it can't be understood. */
export function parseRetryAfter(header: string | undefined, now: number): number | undefined {
  const text = header?.trim() ?? ''
  if (/^\d{1,9}$/.test(text)) return Number(text)
  // Date.parse takes nearly anything, numbers too; an HTTP date begins with the day's name.
  if (!/^[A-Za-z]{3,9},? /.test(text)) return undefined
  const at = Date.parse(text)
  return Number.isNaN(at) ? undefined : Math.max(0, Math.ceil((at - now) / 1000))
}
