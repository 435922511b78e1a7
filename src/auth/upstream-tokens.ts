// Tokens of this server for callers who are asked after upstream. A token carries the credentials themselves, encrypted (JWE, RFC 7516)
// with a key of `http.secret`, so that any replica can ask upstream with them and none has to keep them.
import { createSecretKey, hash, hkdfSync, randomBytes } from 'node:crypto'
import { EncryptJWT, jwtDecrypt } from 'jose'
import { LRUCache } from 'lru-cache'
import type { Clock } from '../lib/clock.ts'
import { hmacSha256 } from '../lib/hmac.ts'
import type { Issued } from './access.ts'
import type { BasicCredentials } from './basic.ts'
import type { UpstreamCaller } from './upstream-access.ts'

/** As long as Docker Hub's. */
const lifeSeconds = 300
/** Longer ones are not ours. */
const longestToken = 16_384
const maxRemembered = 10_000

/** Whom a token stands for; `undefined`: nobody in particular. */
export type TokenBearer = { readonly key: string; readonly user: string } | undefined

interface Remembered {
  readonly bearer: TokenBearer
  /** In milliseconds since 1970. */
  readonly expiresAt: number
}

export interface UpstreamTokensOptions {
  /** What to encrypt with, and all that may have been. */
  readonly secret: { readonly current: string; readonly all: readonly string[] }
  readonly clock: Clock
}

export class UpstreamTokens {
  readonly #options: UpstreamTokensOptions
  /** Names callers in memory; different in each process. */
  readonly #callerKey = createSecretKey(randomBytes(32))
  /** By the hash of the token. Passwords are not among what is remembered. */
  readonly #remembered = new LRUCache<string, Remembered>({ max: maxRemembered })
  readonly #keys = new LRUCache<string, Uint8Array>({ max: 16 })

  constructor(options: UpstreamTokensOptions) {
    this.#options = options
  }

  callerOf({ user, password }: BasicCredentials): UpstreamCaller {
    // No name holds a colon.
    const key = hmacSha256(this.#callerKey, `${user}:${password}`).toString('base64')
    return { key, username: user, password }
  }

  async issue(caller: UpstreamCaller | undefined): Promise<Extract<Issued, { kind: 'issued' }>> {
    const issuedAt = this.#options.clock.now()
    const seconds = Math.floor(issuedAt / 1000)
    const token = await new EncryptJWT(caller === undefined ? {} : { user: caller.username, password: caller.password })
      .setProtectedHeader({ alg: 'dir', enc: 'A256GCM' })
      .setIssuedAt(seconds)
      .setExpirationTime(seconds + lifeSeconds)
      .encrypt(this.#keyOf(this.#options.secret.current))
    return { kind: 'issued', token, expiresInSeconds: lifeSeconds, issuedAt }
  }

  /** `'unread'`: it was not looked at yet, or has ended. */
  bearerNow(token: string): TokenBearer | 'unread' {
    const known = this.#remembered.get(hash('sha256', token, 'base64'))
    return known !== undefined && this.#options.clock.now() < known.expiresAt ? known.bearer : 'unread'
  }

  /** `undefined`: a token for nobody in particular. `'invalid'`: not one of ours, or over. */
  async read(token: string): Promise<UpstreamCaller | undefined | 'invalid'> {
    if (token.length > longestToken) return 'invalid'
    for (const secret of this.#options.secret.all) {
      const claims = await this.#decrypt(token, secret)
      if (claims === undefined) continue
      const { user, password, exp = 0 } = claims
      const caller = typeof user === 'string' && typeof password === 'string' ? this.callerOf({ user, password }) : undefined
      const bearer = caller && { key: caller.key, user: caller.username }
      this.#remembered.set(hash('sha256', token, 'base64'), { bearer, expiresAt: exp * 1000 })
      return caller
    }
    return 'invalid'
  }

  async #decrypt(token: string, secret: string): Promise<{ user?: unknown; password?: unknown; exp?: number } | undefined> {
    try {
      const { payload } = await jwtDecrypt(token, this.#keyOf(secret), {
        keyManagementAlgorithms: ['dir'],
        contentEncryptionAlgorithms: ['A256GCM'],
        requiredClaims: ['exp'],
        currentDate: new Date(this.#options.clock.now()),
      })
      return payload
    } catch {
      // Whatever is wrong with it, it is the client's token: it is told that it is invalid, and no more.
      return undefined
    }
  }

  /** The secret signs addresses of uploads, too: neither may be taken for the other. */
  #keyOf(secret: string): Uint8Array {
    const known = this.#keys.get(secret)
    if (known !== undefined) return known
    const made = new Uint8Array(hkdfSync('sha256', secret, '', 'tokens with credentials for upstream', 32))
    this.#keys.set(secret, made)
    return made
  }
}
