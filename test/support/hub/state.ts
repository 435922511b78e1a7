// What all parts of one stand-in Hub share: its content, switches, clock, accounts and memory of tokens and signatures.
import { seededRandom } from '../images.ts'
import { Content } from './content.ts'
import { Faults } from './faults.ts'
import { Ledger } from './ledger.ts'
import type { Part } from './parts.ts'
import { Pulls } from './quota.ts'
import type { Settings } from './settings.ts'

export interface Account {
  readonly user: string
  readonly password: string
  /** Manifest GETs per window; 'unlimited' = a paid account: no headers, no 429. */
  readonly limit: number | 'unlimited'
  /** Private repositories of others that it may read. */
  readonly mayPull: readonly string[]
}

/** A token that the token server gave out. */
export interface IssuedToken {
  readonly account: string | undefined
  /** Repositories it opens, plus `catalog` never. */
  readonly repositories: ReadonlySet<string>
  /** By the Hub's clock, in milliseconds. */
  readonly expiresAt: number
}

/** A signed URL that a redirect named. */
export interface Signature {
  readonly digest: string
  readonly cdn: Part
  readonly expiresAt: number
  usesLeft: number
}

export class State {
  readonly content = new Content()
  readonly ledger = new Ledger()
  readonly faults = new Faults()
  readonly pulls: Pulls
  readonly accounts = new Map<string, Account>()
  readonly tokens = new Map<string, IssuedToken>()
  readonly refreshTokens = new Map<string, string>()
  readonly failedLogins = new Map<string, { count: number; since: number }>()
  readonly signatures = new Map<string, Signature>()
  readonly settings: Settings
  readonly random: () => number
  /** Public base URL per part, without a slash at the end. */
  readonly urls: Record<Part, string> = { registry: '', auth: '', 'cdn-a': '', 'cdn-b': '' }
  #advancedMs = 0

  constructor(settings: Settings, seed: number | string) {
    this.settings = settings
    this.random = seededRandom(seed)
    this.pulls = new Pulls(() => this.now())
  }

  /** Milliseconds since the epoch, by the clock that tokens, signatures and quota windows live by. */
  now(): number {
    return Date.now() + this.#advancedMs
  }

  /** The time that the Hub claims in its answers. */
  claimedNow(): number {
    return this.now() + this.settings.clockSkewSeconds * 1000
  }

  advance(seconds: number): void {
    this.#advancedMs += seconds * 1000
  }

  /** Whether an account (`undefined` = anybody) may read a repository. */
  mayPull(account: string | undefined, repository: string): boolean {
    if (account !== undefined && repository.startsWith(`${account}/`)) return true
    const found = this.content.find(repository)
    if (found === undefined) return false
    if (!found.isPrivate || found.owner === account) return true
    return account !== undefined && (this.accounts.get(account)?.mayPull.includes(repository) ?? false)
  }

  /** The account of Basic credentials; `undefined` if they are wrong. */
  login(user: string, password: string): Account | undefined {
    const account = this.accounts.get(user)
    return account !== undefined && account.password === password ? account : undefined
  }
}

/** User and password of an `Authorization: Basic` header. */
export function basicOf(header: string | undefined): { user: string; password: string } | undefined {
  const encoded = /^basic +(.+)$/i.exec(header ?? '')?.[1]
  if (encoded === undefined) return undefined
  const text = Buffer.from(encoded, 'base64').toString('utf8')
  const colon = text.indexOf(':')
  return colon < 0 ? { user: text, password: '' } : { user: text.slice(0, colon), password: text.slice(colon + 1) }
}
