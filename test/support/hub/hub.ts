// The stand-in Docker Hub's front door: starts registry, token server and two CDNs under names of their own on loopback,
// and lets a test fill them, break them and ask what they were asked. It knows nothing of the mirror.
import '../names.ts'
import type { BlobSource, Image } from '../images.ts'
import { type AddOptions, fullName } from './content.ts'
import type { Rule } from './faults.ts'
import type { Filter, LedgerEntry } from './ledger.ts'
import type { Part } from './parts.ts'
import { Servers } from './servers.ts'
import { defaultSettings, type HubOptions, type Quota, type Settings } from './settings.ts'
import { State } from './state.ts'

export type { AddOptions } from './content.ts'
export { abuse429, abuse429LineFeeds, type Fault, type Rule, tokenBurst429 } from './faults.ts'
export type { Filter, LedgerEntry } from './ledger.ts'
export { dockerHubNames, type Part } from './parts.ts'
export type { HubOptions, Quota, Settings } from './settings.ts'

/** Starts a Hub on free ports. End it by `close()` or `await using`. */
export async function startHub(options: HubOptions = {}): Promise<Hub> {
  const hub = new Hub(options)
  await hub.open()
  return hub
}

function settingsOf(options: HubOptions): Settings {
  const settings = defaultSettings()
  const known = new Set(Object.keys(settings))
  return Object.assign(settings, Object.fromEntries(Object.entries(options).filter(([name]) => known.has(name))))
}

export class Hub implements AsyncDisposable {
  readonly #state: State
  readonly #servers: Servers

  constructor(options: HubOptions) {
    this.#state = new State(settingsOf(options), options.seed ?? 1)
    this.#servers = new Servers(options, this.#state)
  }

  /** Base URL of the registry, as a mirror's `proxy.remoteurl` wants it. */
  get url(): string {
    return this.#state.urls.registry
  }

  /** Base URL of the token server; tokens are at `/token`. */
  get authUrl(): string {
    return this.#state.urls.auth
  }

  get cdnUrls(): { readonly 'cdn-a': string; readonly 'cdn-b': string } {
    return this.#state.urls
  }

  /** Base URL of the forward proxy. Throws unless the Hub was started with `forwardProxy`. */
  get proxyUrl(): string {
    const { proxyPort } = this.#servers
    if (proxyPort === undefined) throw new Error('startHub({ forwardProxy: true }) opens a forward proxy')
    return `http://127.0.0.1:${proxyPort}`
  }

  /** PEM file of the CA that signed the certificates. Throws unless the Hub was started with `tls` or `http2`. */
  get caFile(): string {
    const { caFile } = this.#servers
    if (caFile === undefined) throw new Error('startHub({ tls: true }) makes a CA')
    return caFile
  }

  /** Every switch, live: `hub.settings.headRefused = 405`. */
  get settings(): Settings {
    return this.#state.settings
  }

  /** The pull limit of anonymous clients; the same as `settings.quota`. */
  get quota(): Quota | undefined {
    return this.settings.quota
  }

  set quota(quota: Quota | undefined) {
    this.settings.quota = quota
  }

  /** Rate of the whole line; the same as `settings.bytesPerSecond`. */
  get bytesPerSecond(): number | undefined {
    return this.settings.bytesPerSecond
  }

  set bytesPerSecond(rate: number | undefined) {
    this.settings.bytesPerSecond = rate
  }

  // Content. A repository of one component means `library/<it>` here (not over HTTP).

  /** Puts an image with its children, blobs and referrers into a repository, which is made if need be. */
  add(repository: string, image: Image, options: AddOptions = {}): void {
    this.#state.content.add(repository, image, options)
  }

  addBlob(repository: string, blob: BlobSource): void {
    this.#state.content.open(repository).blobs.set(blob.digest, blob)
  }

  /** Lists `referrer` among the referrers of a digest; with `asTag` also under the tag `sha256-<hex>`, as an index of it alone. */
  addReferrer(repository: string, subjectDigest: string, referrer: Image, { asTag = false }: { asTag?: boolean } = {}): void {
    this.#state.content.addReferrer(repository, subjectDigest, referrer, asTag)
  }

  /** Points a tag at a manifest that was added before (or not: then the tag answers 404). */
  moveTag(repository: string, tag: string, digest: string): void {
    this.#state.content.moveTag(repository, tag, digest)
  }

  /** Moves the tag right after its next HEAD was answered with the old digest. */
  moveTagAfterHead(repository: string, tag: string, digest: string): void {
    this.#state.content.moveTagAfterHead(repository, tag, digest)
  }

  deleteTag(repository: string, tag: string): void {
    this.#state.content.open(repository).tags.delete(tag)
  }

  deleteManifest(repository: string, digest: string): void {
    this.#state.content.open(repository).manifests.delete(digest)
  }

  deleteBlob(repository: string, digest: string): void {
    this.#state.content.open(repository).blobs.delete(digest)
  }

  /** Takes a whole repository away. */
  deleteRepository(repository: string): void {
    this.#state.content.repositories.delete(fullName(repository))
  }

  // Accounts, tokens, time

  /** An account with its manifest GETs per window (200 unless told) and the private repositories of others that it may read. */
  addAccount(user: string, password: string, options: { limit?: number | 'unlimited'; mayPull?: readonly string[] } = {}): void {
    this.#state.accounts.set(user, { user, password, limit: options.limit ?? 200, mayPull: options.mayPull ?? [] })
  }

  /** Makes every token given out so far worthless: 401 `invalid_token`. */
  revokeTokens(): void {
    this.#state.tokens.clear()
  }

  /** Puts the Hub's clock forward: tokens and signatures expire, quota windows and lock-outs end, without any waiting. */
  advance(seconds: number): void {
    this.#state.advance(seconds)
  }

  // Ledger

  /** All requests since the start or the last `clearLedger()`, in order of arrival. */
  get ledger(): readonly LedgerEntry[] {
    return this.#state.ledger.entries
  }

  clearLedger(): void {
    this.#state.ledger.clear()
  }

  find(filter: Filter): LedgerEntry[] {
    return this.#state.ledger.find(filter)
  }

  count(filter: Filter): number {
    return this.find(filter).length
  }

  /** Body bytes sent to the matching requests, those that were cut included. */
  bytesSent(filter: Filter): number {
    return this.#state.ledger.bytesSent(filter)
  }

  /** Requests to the token server. */
  tokens(): LedgerEntry[] {
    return this.find({ kind: 'token' })
  }

  /** Pulls charged in the running window: to an account or client address, or to all together. */
  quotaUsed(source?: string): number {
    return this.#state.pulls.used(source)
  }

  resetQuota(): void {
    this.#state.pulls.reset()
  }

  /** The most matching requests that were open at one time. */
  maxConcurrent(filter: Filter): number {
    return this.#state.ledger.maxConcurrent(filter)
  }

  /** TCP connections at a part: open now, and the most at one time. */
  connections(part: Part): { readonly open: number; readonly most: number } {
    return this.#servers.listener(part).connections
  }

  /** Resolves with the matching requests as soon as there are `count`; rejects after `timeoutMs` and tells what there was. */
  async seen(filter: Filter, count = 1, { timeoutMs = 10_000 }: { timeoutMs?: number } = {}): Promise<LedgerEntry[]> {
    return this.#state.ledger.seen(filter, count, timeoutMs)
  }

  /** The ledger as text, a line per request: for messages of assertions. */
  describeLedger(): string {
    return this.#state.ledger.describe()
  }

  // Trouble

  /** Adds rules; the first that fits a request and is not used up applies. */
  script(rules: readonly Rule[]): void {
    this.#state.faults.add(rules)
  }

  clearScript(): void {
    this.#state.faults.clear()
  }

  /** Rules that have not happened as often as they were to: a test that scripts a fault wants none left. */
  unusedRules(): Rule[] {
    return this.#state.faults.unused()
  }

  /** Closes ports and connections: connection refused. */
  async down(part: Part | 'all' = 'all'): Promise<void> {
    await this.#servers.each(part, async (listener) => listener.down())
  }

  /** Ends `down`, `blackHole`, `mute` and `breakTls`, on the same port. */
  async up(part: Part | 'all' = 'all'): Promise<void> {
    await this.#servers.each(part, async (listener) => listener.up())
  }

  /** Nobody answers SYNs: connecting takes until the client gives up. (A listener with a full backlog that nobody empties.) */
  async blackHole(part: Part | 'all' = 'all'): Promise<void> {
    await this.#servers.each(part, async (listener) => listener.blackHole())
  }

  /** Accepts new connections and says nothing on them, not even in the TLS handshake. */
  async mute(part: Part | 'all' = 'all'): Promise<void> {
    await this.#servers.each(part, async (listener) => listener.mute())
  }

  /** Makes new TLS handshakes fail; without TLS, 'garbage' answers HTTP with nonsense. */
  async breakTls(part: Part | 'all' = 'all', how: 'garbage' | 'untrusted' = 'untrusted'): Promise<void> {
    await this.#servers.each(part, async (listener) => listener.breakTls(how))
  }

  // Life

  /** Starts listening; `startHub` has done this. */
  async open(): Promise<void> {
    await this.#servers.open()
  }

  async close(): Promise<void> {
    await this.#servers.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}
