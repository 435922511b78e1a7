// Files of `htpasswd -B`, and group files as Apache has them. Pure.

export interface PasswordFile {
  /** User → bcrypt hash. */
  readonly hashes: ReadonlyMap<string, string>
  /** What is compared where there is no such user, so that it takes as long. */
  readonly nobody: string
  /** Users whose passwords are hashed in ways that are not accepted, with the way. */
  readonly unusable: ReadonlyMap<string, string>
}

const bcrypt = /^\$2[aby]\$(0[4-9]|[12]\d|3[01])\$[./A-Za-z0-9]{53}$/
/** `htpasswd -B` without `-C`. */
const usualCost = '05'

/** Throws Errors that name the line: a file with such a line is most likely half-written. As in distribution, the last line of a user counts. */
export function parseHtpasswd(text: string): PasswordFile {
  const hashes = new Map<string, string>()
  const unusable = new Map<string, string>()
  for (const [at, raw] of text.split('\n').entries()) {
    const line = raw.trim()
    if (line === '' || line.startsWith('#')) continue
    const colon = line.indexOf(':')
    if (colon <= 0) throw new Error(`line ${at + 1} is not user:hash`)
    const [user, hash] = [line.slice(0, colon), line.slice(colon + 1)]
    if (/^\$2[abxy]?\$/.test(hash) && !bcrypt.test(hash)) throw new Error(`line ${at + 1}: the bcrypt hash of ${user} is not whole`)
    if (bcrypt.test(hash)) hashes.set(user, hash)
    else hashes.delete(user)
    if (bcrypt.test(hash)) unusable.delete(user)
    else unusable.set(user, kindOf(hash))
  }
  const cost = bcrypt.exec([...hashes.values()][0] ?? '')?.[1] ?? usualCost
  return { hashes, nobody: `$2y$${cost}$${'.'.repeat(53)}`, unusable }
}

function kindOf(hash: string): string {
  if (hash.startsWith('$apr1$') || hash.startsWith('$1$')) return 'MD5'
  if (hash.startsWith('{SHA}')) return 'SHA-1'
  if (hash.startsWith('$5$') || hash.startsWith('$6$')) return 'SHA-crypt'
  return 'crypt or plain text'
}

/** `group: user user …`, as Apache's AuthGroupFile. The result is by user. Throws Errors that name the line. */
export function parseGroups(text: string): ReadonlyMap<string, readonly string[]> {
  const groups = new Map<string, string[]>()
  for (const [at, raw] of text.split('\n').entries()) {
    const line = raw.trim()
    if (line === '' || line.startsWith('#')) continue
    const colon = line.indexOf(':')
    if (colon <= 0) throw new Error(`line ${at + 1} is not group: user user …`)
    const group = line.slice(0, colon).trim()
    for (const user of line.slice(colon + 1).split(/\s+/)) {
      if (user !== '') groups.set(user, [...(groups.get(user) ?? []), group])
    }
  }
  return groups
}
