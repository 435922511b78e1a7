// Certificates from Let's Encrypt or another ACME server: ordered when the server starts, renewed in the background, shared by all
// replicas that share the folder. Clients of a host whose certificate is not there yet wait in their handshake.
import { X509Certificate } from 'node:crypto'
import type { Socket } from 'node:net'
import { createSecureContext, createServer, type SecureContext, type SecureContextOptions, type Server, type TlsOptions } from 'node:tls'
import type { Leases } from '../cluster/leases.ts'
import type { Clock } from '../lib/clock.ts'
import type { Log } from '../telemetry/log.ts'
import { type AcmeSettings, alpnName, type ChallengeKind, orderCertificate, tokenName } from './acme-order.ts'
import { KeptFiles, type KeyAndCertificate } from './kept-files.ts'

/** Let's Encrypt forgives five failures in an hour for each host. */
const firstBackOffMs = 5 * 60 * 1000
const longestBackOffMs = 6 * 60 * 60 * 1000
const hourMs = 60 * 60 * 1000

export interface LetsEncryptOptions extends AcmeSettings {
  readonly hosts: readonly string[]
  /** `undefined`: kept in memory only. */
  readonly folder: string | undefined
  /** What every context needs beside its certificate: versions, cipher suites, authorities of clients. */
  readonly handshake: SecureContextOptions
  /** So that only one of several replicas orders. */
  readonly leases: Leases
  readonly clock: Clock
  readonly log: Log
}

export class LetsEncrypt implements AsyncDisposable {
  readonly #options: LetsEncryptOptions
  readonly #files: KeptFiles
  readonly #stopped = new AbortController()
  readonly #contexts = new Map<string, SecureContext>()
  readonly #waiting = new Map<string, ((error: Error | null, context?: SecureContext) => void)[]>()
  readonly #challenges: Server

  /** Begins to look after its hosts; what goes wrong is logged and tried again. */
  static open(options: LetsEncryptOptions): LetsEncrypt {
    const letsEncrypt = new LetsEncrypt(options)
    for (const host of options.hosts) void letsEncrypt.#lookAfter(host).catch(() => undefined)
    return letsEncrypt
  }

  private constructor(options: LetsEncryptOptions) {
    this.#options = options
    this.#files = new KeptFiles(options.folder)
    // RFC 8737: a certificate that proves who we are, and nothing else is spoken.
    this.#challenges = createServer({ ALPNProtocols: ['acme-tls/1'], SNICallback: (host, done) => void this.#answerChallenge(host, done) })
    this.#challenges.on('secureConnection', (socket) => socket.end())
    this.#challenges.on('tlsClientError', (_error, socket) => socket.destroy())
  }

  readonly options: TlsOptions = { SNICallback: (host, done) => this.#contextFor(host.toLowerCase(), done) }

  /** Takes a connection whose ClientHello asks for `acme-tls/1`: names of protocols stand in it as they are. */
  challenged(hello: Buffer, socket: Socket): boolean {
    if (!hello.includes('acme-tls/1')) return false
    this.#challenges.emit('connection', socket)
    return true
  }

  /** The answer to an http-01 challenge (RFC 8555, section 8.3); `undefined`: this token is not known. */
  answerToken(token: string): Promise<string | undefined> {
    return this.#files.find(tokenName(token))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped.abort(new Error('stopped'))
    for (const ready of [...this.#waiting.values()].flat()) ready(new Error('this server stops'))
    this.#waiting.clear()
  }

  #contextFor(host: string, done: (error: Error | null, context?: SecureContext) => void): void {
    const context = this.#contexts.get(host)
    if (context !== undefined) done(null, context)
    else if (!this.#options.hosts.includes(host)) done(new Error(`${host} is not among http.tls.letsencrypt.hosts`))
    else this.#waiting.set(host, [...(this.#waiting.get(host) ?? []), done])
  }

  async #answerChallenge(host: string, done: (error: Error | null, context?: SecureContext) => void): Promise<void> {
    const pair = await this.#files.findPair(alpnName(host)).catch(() => undefined)
    if (pair === undefined) done(new Error(`there is no challenge for ${host}`))
    else done(null, createSecureContext(pair))
  }

  async #lookAfter(host: string): Promise<void> {
    const { clock, log } = this.#options
    const { signal } = this.#stopped
    for (let failures = 0; ; ) {
      let restMs: number
      try {
        restMs = await this.#keepFresh(host, failures % 2 === 0 ? 'tls-alpn-01' : 'http-01')
        failures = 0
      } catch (error) {
        signal.throwIfAborted()
        restMs = Math.min(longestBackOffMs, firstBackOffMs * 2 ** failures)
        failures += 1
        log.error({ host, error, againInSeconds: restMs / 1000 }, 'no certificate could be had; what is there stays in use')
      }
      await clock.sleep(restMs * (0.9 + 0.1 * Math.random()), signal)
    }
  }

  /** Resolves with how long the certificate may rest: until a third of its life is left, and no longer than another replica may need. */
  async #keepFresh(host: string, kind: ChallengeKind): Promise<number> {
    const { leases, log } = this.#options
    const kept = await this.#files.findPair(host)
    const keptRestMs = kept === undefined ? 0 : this.#restOf(kept)
    if (kept !== undefined && keptRestMs !== undefined) this.#use(host, kept)
    if (keptRestMs !== undefined && keptRestMs > 0) return Math.min(keptRestMs, hourMs)
    const lease = await leases.acquire(`acme:${host}`, this.#stopped.signal)
    try {
      // Whoever had the lease before may have left what we want.
      const theirs = await this.#files.findPair(host)
      const theirRestMs = theirs === undefined ? 0 : (this.#restOf(theirs) ?? 0)
      if (theirs !== undefined && theirRestMs > 0) {
        this.#use(host, theirs)
        return Math.min(theirRestMs, hourMs)
      }
      const pair = await orderCertificate(host, kind, this.#options, this.#files)
      await this.#files.putPair(host, pair)
      this.#use(host, pair)
      log.info({ host, validTo: new X509Certificate(pair.cert).validTo }, 'a new certificate is in use')
      // Also one that is born old must not make us order one after another.
      return hourMs
    } finally {
      await lease.release()
    }
  }

  /** Milliseconds until only a third of its life is left; `undefined` when it has ended. */
  #restOf({ cert }: KeyAndCertificate): number | undefined {
    const { validFrom, validTo } = new X509Certificate(cert)
    const [from, to, now] = [Date.parse(validFrom), Date.parse(validTo), this.#options.clock.now()]
    return now >= to ? undefined : to - (to - from) / 3 - now
  }

  #use(host: string, { key, cert }: KeyAndCertificate): void {
    const context = createSecureContext({ ...this.#options.handshake, key, cert })
    this.#contexts.set(host, context)
    for (const ready of this.#waiting.get(host) ?? []) ready(null, context)
    this.#waiting.delete(host)
  }
}
