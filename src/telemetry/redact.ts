// What no log may hold: signatures in addresses, user names and passwords before a host, tokens. Errors of HTTP clients and
// answers of upstreams carry them, so every line goes through here.

/** The whole query of an address elsewhere: signed addresses differ in what they call their secrets. */
const queryOfUrl = /(\bhttps?:\/\/[^\s"'<>?\\]+)\?[^\s"'<>\\]*[^\s"'<>\\:;,.)]/gi
const userOfUrl = /(\b[a-z][a-z0-9+.-]*:\/\/)[^\s"'<>/@\\]+@/gi
const credentials = /\b(bearer|basic)\s+[\w.~+/=-]{6,}/gi
const secretParameter =
  /\b((?:x-amz-(?:signature|credential|security-token)|signature|key-pair-id|policy|sig|_state|access_token|refresh_token|token|password|secret)=)[^&\s"'\\]+/gi
const secretField = /("(?:password|secret|token|authorization|cookie|access_token|refresh_token)":)"(?:[^"\\]|\\.)*"/gi

/** `line` may be JSON; it stays so. */
export function redactLine(line: string): string {
  return line
    .replace(queryOfUrl, '$1?[redacted]')
    .replace(userOfUrl, '$1[redacted]@')
    .replace(credentials, '$1 [redacted]')
    .replace(secretParameter, '$1[redacted]')
    .replace(secretField, '$1"[redacted]"')
}

/** Of a request's target, as the access log has it. */
export function redactTarget(target: string): string {
  return target.replace(secretParameter, '$1[redacted]')
}
