// Tokens of this server's own: what clients that only know tokens get for their password, or for none. All that they hold is who
// it is and until when; what he may do is decided anew for each request. Replicas with the same secret believe each other's.
import { createSecretKey, type KeyObject, timingSafeEqual } from 'node:crypto'
import type { Clock } from '../lib/clock.ts'
import { hmacSha256 } from '../lib/hmac.ts'
import { anonymous, type Issued, type Principal } from './access.ts'

/** As long as Docker Hub's. */
const lifeSeconds = 300

/** `undefined`: nobody in particular. `proof`: changes with the password, so that a token ends with it. */
export type Bearing = { readonly user: string; readonly proof: string } | undefined

export class OwnTokens {
  readonly #key: KeyObject
  readonly #clock: Clock

  constructor({ secret, clock }: { readonly secret: string; readonly clock: Clock }) {
    // The secret signs addresses of uploads, too: neither may be taken for the other.
    this.#key = createSecretKey(hmacSha256(secret, 'tokens of this server'))
    this.#clock = clock
  }

  issue(bearing: { readonly user: string; readonly hash: string } | undefined): Extract<Issued, { kind: 'issued' }> {
    const issuedAt = this.#clock.now()
    const who = bearing === undefined ? [] : [bearing.user, this.proofOf(bearing.hash)]
    const payload = Buffer.from(JSON.stringify([Math.floor(issuedAt / 1000) + lifeSeconds, ...who])).toString('base64url')
    return { kind: 'issued', token: `${payload}.${this.#sign(payload).toString('base64url')}`, expiresInSeconds: lifeSeconds, issuedAt }
  }

  /** `'invalid'`: not one of ours, or over. */
  read(token: string): Bearing | 'invalid' {
    const [payload = '', signature = '', ...more] = token.split('.')
    const given = Buffer.from(signature, 'base64url')
    const right = this.#sign(payload)
    if (more.length > 0 || given.length !== right.length || !timingSafeEqual(given, right)) return 'invalid'
    const [expiresAtSeconds, user, proof] = JSON.parse(Buffer.from(payload, 'base64url').toString()) as [number, string?, string?]
    if (this.#clock.now() >= expiresAtSeconds * 1000) return 'invalid'
    return user === undefined || proof === undefined ? undefined : { user, proof }
  }

  /** What a token holds of a password: nothing that leads back to it. */
  proofOf(hash: string): string {
    return hmacSha256(this.#key, hash).toString('base64url').slice(0, 22)
  }

  #sign(payload: string): Buffer {
    return hmacSha256(this.#key, payload)
  }
}

/** Whom a token stands for, given the passwords that count now. `undefined`: nobody any more. */
export function principalOf(
  tokens: OwnTokens,
  token: string,
  passwords: { readonly hashes: ReadonlyMap<string, string>; readonly groupsOf: (user: string) => readonly string[] },
): Principal | undefined {
  const bearing = tokens.read(token)
  if (bearing === 'invalid') return undefined
  if (bearing === undefined) return anonymous
  const hash = passwords.hashes.get(bearing.user)
  if (hash === undefined || tokens.proofOf(hash) !== bearing.proof) return undefined
  return { name: bearing.user, groups: passwords.groupsOf(bearing.user) }
}
