// The Hub's four listeners and what happens between a request and its answer: ledger, fault, handler, sending.
import type { IncomingMessage, ServerResponse } from 'node:http'
import { challengeAnswer } from './access.ts'
import { type Answer, answerOf } from './answer.ts'
import { answerCdn } from './blobs.ts'
import { type Certificates, certificatesFor } from './certificates.ts'
import { type Exchange, targetOf } from './exchange.ts'
import { type Fault, insteadOf, seenThrough, spoilt } from './faults.ts'
import { ForwardProxy } from './forward-proxy.ts'
import { Listener } from './listener.ts'
import { type HostNames, ipv6Names, type Part, parts, standInNames } from './parts.ts'
import { answerRegistry } from './registry.ts'
import type { HubOptions } from './settings.ts'
import type { State } from './state.ts'
import { answerAuth } from './tokens.ts'
import { Pacer, Transmission } from './transmit.ts'

const answerers: Readonly<Record<Part, (state: State, exchange: Exchange) => Answer | Promise<Answer>>> = {
  registry: answerRegistry,
  auth: answerAuth,
  'cdn-a': answerCdn,
  'cdn-b': answerCdn,
}

export class Servers {
  readonly #options: HubOptions
  readonly #state: State
  readonly #names: HostNames
  readonly #host: string
  readonly #listeners = new Map<Part, Listener>()
  readonly #line = { pacer: new Pacer(), bytesPerSecond: () => this.#state.settings.bytesPerSecond }
  #certificates: Certificates | undefined
  #proxy: ForwardProxy | undefined
  proxyPort: number | undefined

  constructor(options: HubOptions, state: State) {
    this.#options = options
    this.#state = state
    this.#host = options.ipv6 === true ? '::1' : '127.0.0.1'
    this.#names = { ...(options.ipv6 === true ? ipv6Names : standInNames), ...options.proxyNames, ...options.names }
  }

  get caFile(): string | undefined {
    return this.#certificates?.caFile
  }

  async open(): Promise<void> {
    const { tls = false, http2 = false } = this.#options
    if (tls || http2)
      this.#certificates = await certificatesFor([...new Set([...Object.values(this.#names), ...Object.values(standInNames)])])
    for (const part of parts) await this.#openPart(part, http2 && part !== 'auth')
    if (this.#options.forwardProxy !== true) return
    const find = (hostname: string) => {
      const part = parts.find((candidate) => [this.#names[candidate], standInNames[candidate]].includes(hostname))
      return part === undefined ? undefined : { host: this.#host, port: this.listener(part).port }
    }
    this.#proxy = new ForwardProxy({ ledger: this.#state.ledger, credentials: this.#options.proxyCredentials, find })
    this.proxyPort = await this.#proxy.open()
  }

  async #openPart(part: Part, http2: boolean): Promise<void> {
    const listener = new Listener({
      host: this.#host,
      port: this.#options.ports?.[part] ?? 0,
      certificates: this.#certificates,
      http2,
      keepAliveTimeoutMs: this.#state.settings.keepAliveTimeoutMs,
      answer: (request, response) => void this.#answer(part, request, response),
    })
    await listener.up()
    this.#listeners.set(part, listener)
    const port = this.#options.proxyNames === undefined ? `:${listener.port}` : ''
    this.#state.urls[part] = `${this.#certificates === undefined ? 'http' : 'https'}://${this.#names[part]}${port}`
  }

  async close(): Promise<void> {
    await Promise.all([...[...this.#listeners.values()].map(async (listener) => listener.down()), this.#proxy?.close()])
    this.#proxy = undefined
  }

  listener(part: Part): Listener {
    const listener = this.#listeners.get(part)
    if (listener === undefined) throw new Error(`the stand-in Hub's ${part} was not started`)
    return listener
  }

  /** Does something to one listener, or to all four. */
  async each(part: Part | 'all', act: (listener: Listener) => Promise<void>): Promise<void> {
    await Promise.all(part === 'all' ? [...this.#listeners.values()].map(act) : [act(this.listener(part))])
  }

  #exchangeOf(at: Part, request: IncomingMessage, response: ServerResponse): Exchange {
    const { method = '', url = '', headers } = request
    const { pathname: path, searchParams: query } = new URL(`http://hub${url}`)
    const target = targetOf(at, path)
    const { socket, number: connection, turns: turn } = this.listener(at).connectionOf(request)
    const entry = this.#state.ledger.open({ at, method, url, headers, connection, turn, ...target })
    const clientAddress = socket.remoteAddress ?? ''
    return { at, target, method, path, query, headers, range: headers.range, clientAddress, entry, request, response, socket }
  }

  async #answer(at: Part, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const exchange = this.#exchangeOf(at, request, response)
    const fault = this.#state.faults.take(exchange.entry)
    const transmission = new Transmission(exchange, this.#state.ledger, this.#line, fault)
    await fault.holdUntil
    if (await transmission.beginsBadly()) return
    let answer: Answer
    try {
      answer = await spoilt(await this.#answerTo(exchange, fault), fault)
    } catch (error) {
      // A defect of the stand-in must show as one in the test's output, not as an odd upstream.
      process.emitWarning(`the stand-in Hub failed at ${exchange.method} ${request.url}: ${String(error)}`)
      answer = answerOf(599, { 'Content-Type': 'text/plain' }, `the stand-in Hub failed: ${String(error)}\n`)
    }
    const date = { Date: new Date(this.#state.claimedNow()).toUTCString() }
    await transmission.send({ ...answer, headers: { ...date, ...answer.headers } })
  }

  async #answerTo(exchange: Exchange, fault: Fault): Promise<Answer> {
    if (fault.challenge !== undefined) {
      return challengeAnswer(this.#state, exchange, fault.challenge === true ? undefined : fault.challenge)
    }
    return insteadOf(fault) ?? (await answerers[exchange.at](this.#state, seenThrough(fault, exchange)))
  }
}
