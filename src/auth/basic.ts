// `Authorization: Basic` (RFC 7617).

export interface BasicCredentials {
  readonly user: string
  readonly password: string
}

/** Nobody has longer ones, and each is kept for a while. */
const maxUserLength = 256

/** `undefined`: of another scheme, malformed, or with what no name or password may hold (control characters, bytes that are no UTF-8). */
export function parseBasic(authorization: string): BasicCredentials | undefined {
  const match = /^basic +([A-Za-z0-9+/]+={0,2}) *$/i.exec(authorization)
  if (match?.[1] === undefined) return undefined
  const text = textOf(Buffer.from(match[1], 'base64'))
  const colon = text?.indexOf(':') ?? -1
  // RFC 7617, section 2: the name ends at the first colon, and neither holds control characters.
  if (text === undefined || colon < 0 || colon > maxUserLength || /[\x00-\x1f\x7f]/.test(text)) return undefined
  return { user: text.slice(0, colon), password: text.slice(colon + 1) }
}

function textOf(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return undefined
  }
}
