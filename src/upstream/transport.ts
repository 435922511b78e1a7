// One HTTP exchange with a server elsewhere: connections, proxies, certificates, time-outs. Knows nothing of registries.
import { createSecureContext, getCACertificates } from 'node:tls'
import { Agent, type Dispatcher, EnvHttpProxyAgent, Pool, request } from 'undici'
import { UpstreamFailure } from '../content.ts'
import { linkedController, waitFor } from '../lib/abort.ts'
import type { Clock } from '../lib/clock.ts'
import type { UpstreamFacts } from '../telemetry/facts.ts'
import { Answer } from './answers.ts'
import type { Breakers } from './breaker.ts'
import { failureOfError, isStaleSocket, printableUrl } from './failures.ts'
import { parseProxySettings } from './proxies.ts'

/** Signed URLs and tokens make headers longer than Node's 16 KiB at times. */
const maxHeaderBytes = 64 * 1024
/** Above the sum of the HTTP client's own time-outs, whose timers are coarse. */
const guardSlackMs = 1_500

export interface TransportOptions {
  readonly connectTimeoutMs: number
  readonly headersTimeoutMs: number
  readonly bodyIdleTimeoutMs: number
  readonly userAgent: string
  /** PEM certificates that are trusted besides those of Node and of the system. */
  readonly ca?: string | undefined
  /** Switches the verification of certificates off. */
  readonly insecure?: boolean | undefined
  readonly breakers: Breakers
  readonly clock: Clock
  readonly facts?: UpstreamFacts | undefined
}

export interface Ask {
  readonly method: 'GET' | 'HEAD'
  readonly url: URL
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>
}

export class Transport {
  readonly #options: TransportOptions
  #opened: { readonly direct: Agent; readonly choose: (url: URL) => Dispatcher; readonly close: () => Promise<void> } | undefined
  #closed = false

  constructor(options: TransportOptions) {
    this.#options = options
  }

  /**
   * Resolves when the headers are there; redirects are not followed. Throws UpstreamFailure (at once while the origin's circuit is
   * open), or the signal's reason.
   * `signal` ends the body, too. A connection that turns out dead before any answer is replaced once.
   */
  async ask(ask: Ask, signal: AbortSignal): Promise<Answer> {
    signal.throwIfAborted()
    const { breakers, facts } = this.#options
    const verdict = breakers.admit(ask.url.origin)
    const began = performance.now()
    const tell = (outcome: number | string) => facts?.exchanged(ask.url.host, ask.method, outcome, (performance.now() - began) / 1000)
    try {
      const answer = await this.#askTwice(ask, signal)
      tell(answer.status)
      // 501 is about what was asked, not about the server.
      if (answer.status >= 500 && answer.status !== 501) verdict.failed()
      else verdict.worked()
      return answer
    } catch (error) {
      tell(signal.aborted ? 'aborted' : error instanceof UpstreamFailure ? error.kind : 'failed')
      if (signal.aborted) verdict.unknown()
      else verdict.failed()
      throw error
    }
  }

  /** Ends every exchange at once. */
  async close(): Promise<void> {
    this.#closed = true
    await this.#opened?.close()
  }

  async #askTwice(ask: Ask, signal: AbortSignal): Promise<Answer> {
    try {
      return await this.#exchange(ask, signal)
    } catch (error) {
      signal.throwIfAborted()
      if (!isStaleSocket(error)) throw failureOfError(error, doingOf(ask))
    }
    try {
      return await this.#exchange(ask, signal)
    } catch (error) {
      signal.throwIfAborted()
      throw failureOfError(error, doingOf(ask))
    }
  }

  async #exchange(ask: Ask, signal: AbortSignal): Promise<Answer> {
    signal.throwIfAborted()
    const { headersTimeoutMs, bodyIdleTimeoutMs, userAgent } = this.#options
    const controller = linkedController(signal)
    const stopGuard = this.#guard(controller, ask)
    try {
      const answering = request(ask.url, {
        dispatcher: this.#dispatcher(ask.url),
        method: ask.method,
        // No middlebox may compress what is verified byte by byte.
        headers: { 'user-agent': userAgent, 'accept-encoding': 'identity', ...ask.headers },
        headersTimeout: headersTimeoutMs,
        bodyTimeout: bodyIdleTimeoutMs,
        signal: controller.signal,
      })
      // The client heeds the signal only once it has a connection.
      const response = await waitFor(answering, controller.signal)
      response.body.once('close', () => controller[Symbol.dispose]())
      return new Answer(ask.method, ask.url, response)
    } catch (error) {
      controller[Symbol.dispose]()
      throw error
    } finally {
      stopGuard()
    }
  }

  /** Ends an exchange whose headers are late, whatever kept the client's own timers from it: a proxy that accepts and is silent. */
  #guard(controller: AbortController, ask: Ask): () => void {
    const { clock, connectTimeoutMs, headersTimeoutMs } = this.#options
    const answered = new AbortController()
    const late = () => controller.abort(new UpstreamFailure('timeout', `${doingOf(ask)}: no answer in time`))
    clock.sleep(connectTimeoutMs + headersTimeoutMs + guardSlackMs, answered.signal).then(late, () => {})
    return () => answered.abort()
  }

  #dispatcher(url: URL): Dispatcher {
    if (this.#closed) throw new UpstreamFailure('unreachable', 'the client of this registry is closed')
    this.#opened ??= this.#open()
    return this.#opened.choose(url)
  }

  /** Certificates and environment are read at the first exchange: constructors do no I/O. */
  #open() {
    const { connectTimeoutMs, headersTimeoutMs, insecure, ca } = this.#options
    const trusted = new Set([...getCACertificates('default'), ...getCACertificates('system')])
    // One context for all connections: reading some hundred certificates for each would cost more than the handshake.
    const secureContext = createSecureContext({ ca: [...trusted, ...(ca === undefined ? [] : [ca])] })
    const tls = { secureContext, rejectUnauthorized: insecure !== true, timeout: connectTimeoutMs }
    const common = { allowH2: false, maxHeaderSize: maxHeaderBytes, connectTimeout: connectTimeoutMs }
    const settings = parseProxySettings(process.env)
    const direct = new Agent({ ...common, connect: tls })
    const proxied = new EnvHttpProxyAgent({
      ...common,
      connect: tls,
      requestTls: tls,
      proxyTls: tls,
      // For CONNECT; without it a silent proxy would hold a connection for five minutes.
      clientFactory: (origin, options) => new Pool(origin, { ...options, headersTimeout: headersTimeoutMs }),
      httpProxy: settings.httpProxy ?? '',
      httpsProxy: settings.httpsProxy ?? '',
      noProxy: settings.noProxy,
    })
    const choose = (url: URL): Dispatcher => {
      // Without this, an http proxy would also be used for https.
      const proxy = url.protocol === 'https:' ? settings.httpsProxy : settings.httpProxy
      return proxy === undefined || settings.isDirectAddress(url.hostname) ? direct : proxied
    }
    const close = async () => {
      await Promise.all([direct.destroy(), proxied.destroy()])
    }
    return { direct, choose, close }
  }
}

function doingOf(ask: Ask): string {
  return `${ask.method} ${printableUrl(ask.url)}`
}
