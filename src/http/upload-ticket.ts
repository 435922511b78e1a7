// `_state` of upload addresses: what an upload was when its address was given out, signed as distribution signs it. A replica, or
// a registry:2 on the same folder, that has the same http.secret takes it as its own, and the reverse.
import { timingSafeEqual } from 'node:crypto'
import { hmacSha256 } from '../lib/hmac.ts'

export interface UploadTicket {
  readonly repository: string
  readonly id: string
  /** Bytes that the upload had. */
  readonly offset: number
}

const macBytes = 32

/** http.secret; replicas that agree on one may change it while they run. */
export interface TicketSecret {
  /** What tickets are sealed with. */
  readonly current: string
  /** What tickets may be sealed with that clients have in their hands. */
  readonly all: readonly string[]
}

/** `startedAt` in milliseconds since 1970. */
export function sealTicket(secret: string, ticket: UploadTicket & { readonly startedAt: number }): string {
  const { repository, id, offset, startedAt } = ticket
  // The names and their order are those of distribution's structure.
  const text = Buffer.from(JSON.stringify({ Name: repository, UUID: id, Offset: offset, StartedAt: rfc3339Nano(startedAt) }))
  const sealed = Buffer.concat([hmacSha256(secret, text), text]).toString('base64url')
  // Go's decoder insists on the padding, which Node's encoder leaves out.
  return sealed.padEnd(Math.ceil(sealed.length / 4) * 4, '=')
}

/** `undefined`: not sealed with this secret, or not a ticket. */
export function openTicket(secret: string, sealed: string): UploadTicket | undefined {
  // Node's decoder takes anything, and stops at the first padding.
  if (!/^[\w-]+={0,2}$/.test(sealed)) return undefined
  const bytes = Buffer.from(sealed, 'base64url')
  const text = bytes.subarray(macBytes)
  if (bytes.length <= macBytes || !timingSafeEqual(bytes.subarray(0, macBytes), hmacSha256(secret, text))) return undefined
  try {
    return ticketOf(JSON.parse(text.toString()))
  } catch {
    return undefined
  }
}

function ticketOf(value: unknown): UploadTicket | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const { Name: repository, UUID: id, Offset: offset } = value as Record<string, unknown>
  if (typeof repository !== 'string' || typeof id !== 'string' || !Number.isSafeInteger(offset)) return undefined
  return { repository, id, offset: offset as number }
}

/** Go's RFC3339Nano: no trailing zeros in the fraction, and no fraction of nothing. */
function rfc3339Nano(at: number): string {
  return new Date(at).toISOString().replace(/\.?0+Z$/, 'Z')
}
