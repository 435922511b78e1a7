// What distribution's proxy remembers in `scheduler-state.json` of the same folder: when each content was to expire.
import { type Digest, isDigest } from '../oci/digest.ts'
import { parseRepositoryName, type RepositoryName } from '../oci/names.ts'

export interface SchedulerEntry {
  readonly repository: RepositoryName
  readonly digest: Digest
  /** Milliseconds since 1970. */
  readonly expiresAt: number
}

/** `{"<repository>@<digest>": {"Key", "ExpiryData": RFC 3339, "EntryType"}}`. Entries that make no sense are left out. Throws SyntaxError. */
export function parseSchedulerState(text: string): SchedulerEntry[] {
  const state: unknown = JSON.parse(text)
  if (typeof state !== 'object' || state === null || Array.isArray(state)) throw new SyntaxError('not a JSON object')
  return Object.entries(state).flatMap(([key, value]) => entryOf(key, value) ?? [])
}

function entryOf(key: string, value: unknown): SchedulerEntry | undefined {
  const at = key.lastIndexOf('@')
  const digest = key.slice(at + 1)
  const expiry = typeof value === 'object' && value !== null && 'ExpiryData' in value ? value.ExpiryData : undefined
  const expiresAt = typeof expiry === 'string' ? Date.parse(expiry) : Number.NaN
  if (at <= 0 || !isDigest(digest) || !Number.isFinite(expiresAt)) return undefined
  try {
    return { repository: parseRepositoryName(key.slice(0, at)), digest, expiresAt }
  } catch {
    // Not a name that can be pulled.
    return undefined
  }
}
