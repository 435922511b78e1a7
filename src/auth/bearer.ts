// `auth.token`: tokens of a server elsewhere (distribution's token specification). A token is verified once, and remembered by its
// hash until it expires or the keys change.
import { hash, type X509Certificate } from 'node:crypto'
import { compactVerify, decodeProtectedHeader } from 'jose'
import { LRUCache } from 'lru-cache'
import type { Clock } from '../lib/clock.ts'
import { accessesOf, type Authenticator, type Credentials, type Decision, formatChallenge, scopeOf, type Wanted } from './access.ts'
import { type ClaimRules, type Grant, grants, isCurrent, parseClaims } from './token-claims.ts'
import { findKey, keysOfRoots, type KeySources, type TrustedKey } from './token-keys.ts'

/** distribution 3's, when auth.token.signingalgorithms names none. Nothing symmetric: everybody knows the public key. */
export const signingAlgorithms = ['RS256', 'RS384', 'RS512', 'ES256', 'ES384', 'ES512', 'PS256', 'PS384', 'PS512', 'EdDSA'] as const
const maxRemembered = 10_000

/** Another object when it has changed. */
interface Changing<Content> {
  readonly content: Content
}

export interface BearerOptions extends ClaimRules {
  /** Where clients get tokens; a path is one of this very server, as they call it. */
  readonly realm: string
  readonly algorithms: readonly string[]
  readonly roots: Changing<readonly X509Certificate[]> | undefined
  readonly jwks: Changing<ReadonlyMap<string, TrustedKey>> | undefined
  readonly clock: Clock
}

type Problem = 'invalid_token' | 'insufficient_scope'

export class Bearer implements Authenticator {
  readonly #options: BearerOptions
  readonly #verified = new LRUCache<string, Grant>({ max: maxRemembered })
  #roots: readonly X509Certificate[] | undefined
  #jwks: ReadonlyMap<string, TrustedKey> | undefined
  #sources: KeySources = { roots: [], named: new Map() }

  constructor(options: BearerOptions) {
    this.#options = options
  }

  authorize(credentials: Credentials, wanted: readonly Wanted[]): Decision | Promise<Decision> {
    const token = /^bearer ([^ ]+)$/i.exec(credentials.authorization ?? '')?.[1]
    if (token === undefined) return this.#challenge(credentials, wanted)
    const sources = this.#currentSources()
    const key = hash('sha256', token, 'base64')
    const known = this.#verified.get(key)
    if (known !== undefined) return this.#decide(credentials, wanted, known)
    return this.#verify(token, sources).then((grant) => {
      if (grant !== undefined && sources === this.#sources) this.#verified.set(key, grant)
      return this.#decide(credentials, wanted, grant)
    })
  }

  #decide(credentials: Credentials, wanted: readonly Wanted[], grant: Grant | undefined): Decision {
    if (grant === undefined || !isCurrent(grant, this.#options.clock.now())) return this.#challenge(credentials, wanted, 'invalid_token')
    if (!accessesOf(wanted).every((access) => grants(grant, access))) return this.#challenge(credentials, wanted, 'insufficient_scope')
    return { kind: 'allowed', principal: { name: grant.subject, groups: [] } }
  }

  /** `undefined`: nothing that can be believed. */
  async #verify(token: string, sources: KeySources): Promise<Grant | undefined> {
    const { algorithms, clock } = this.#options
    try {
      const header = decodeProtectedHeader(token)
      const trusted = findKey(header, sources, clock.now())
      if (trusted === undefined || (trusted.algorithm !== undefined && trusted.algorithm !== header.alg)) return undefined
      const { payload } = await compactVerify(token, trusted.key, { algorithms: [...algorithms] })
      return parseClaims(payload, this.#options)
    } catch {
      // Whatever is wrong with it, it is the client's token: it is told that it is invalid, and no more.
      return undefined
    }
  }

  #currentSources(): KeySources {
    const roots = this.#options.roots?.content
    const jwks = this.#options.jwks?.content
    if (roots !== this.#roots || jwks !== this.#jwks) {
      this.#roots = roots
      this.#jwks = jwks
      this.#sources = { roots: roots ?? [], named: new Map([...keysOfRoots(roots ?? []), ...(jwks ?? [])]) }
      this.#verified.clear()
    }
    return this.#sources
  }

  #challenge(credentials: Credentials, wanted: readonly Wanted[], problem?: Problem): Decision {
    const { service, realm } = this.#options
    const parameters = {
      realm: realm.startsWith('/') ? ownOrigin(credentials) + realm : realm,
      service,
      scope: scopeOf(accessesOf(wanted)),
      error: problem ?? '',
    }
    return { kind: 'challenge', challenge: formatChallenge('Bearer', parameters) }
  }
}

/** As in distribution, https unless a proxy says otherwise: tokens are got with passwords. */
function ownOrigin({ origin, forwardedScheme }: Credentials): string {
  return forwardedScheme === 'http' ? origin : origin.replace(/^http:/, 'https:')
}
