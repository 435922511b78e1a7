// An HTTP forward proxy in front of the Hub: absolute-form requests and CONNECT, for every name that the Hub goes by.
import { once } from 'node:events'
import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import net, { type AddressInfo, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Ledger, LedgerEntry } from './ledger.ts'

export interface ForwardProxyOptions {
  readonly ledger: Ledger
  readonly credentials: { readonly user: string; readonly password: string } | undefined
  /** Where the part with this host name really listens; `undefined` for strangers. */
  readonly find: (hostname: string) => { host: string; port: number } | undefined
}

export class ForwardProxy {
  readonly #options: ForwardProxyOptions
  readonly #server: http.Server
  readonly #sockets = new Set<Duplex>()

  constructor(options: ForwardProxyOptions) {
    this.#options = options
    this.#server = http.createServer({ requestTimeout: 0 }, (request, response) => void this.#relay(request, response))
    this.#server.on('connect', (request: IncomingMessage, socket: Duplex) => void this.#tunnel(request, socket))
    this.#server.on('connection', (socket: Socket) => this.#keep(socket))
  }

  async open(): Promise<number> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    return (this.#server.address() as AddressInfo).port
  }

  async close(): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }

  #keep(socket: Duplex): void {
    this.#sockets.add(socket)
    socket.on('error', () => {}) // either end may leave; the other is ended by the pipelines
    socket.once('close', () => this.#sockets.delete(socket))
  }

  #open(request: IncomingMessage, kind: 'connect' | 'other'): LedgerEntry {
    const { method = '', url = '', headers } = request
    return this.#options.ledger.open({ at: 'proxy', kind, method, url, headers, connection: 0, turn: 1 })
  }

  #isWelcome(request: IncomingMessage): boolean {
    const { credentials } = this.#options
    if (credentials === undefined) return true
    const expected = Buffer.from(`${credentials.user}:${credentials.password}`).toString('base64')
    return request.headers['proxy-authorization'] === `Basic ${expected}`
  }

  /** The target's address, or the status that refuses it. */
  #targetOf(request: IncomingMessage, hostname: string): { host: string; port: number } | 407 | 502 {
    if (!this.#isWelcome(request)) return 407
    return this.#options.find(hostname) ?? 502
  }

  async #tunnel(request: IncomingMessage, socket: Duplex): Promise<void> {
    const entry = this.#open(request, 'connect')
    const target = this.#targetOf(request, (request.url ?? '').replace(/:\d+$/, ''))
    entry.status = typeof target === 'number' ? target : 200
    if (typeof target === 'number') {
      const ask = target === 407 ? 'Proxy-Authenticate: Basic realm="proxy"\r\n' : ''
      socket.end(`HTTP/1.1 ${target} ${http.STATUS_CODES[target]}\r\n${ask}Content-Length: 0\r\nConnection: close\r\n\r\n`)
      this.#options.ledger.close(entry)
      return
    }
    const upstream = net.connect(target)
    this.#keep(upstream)
    try {
      await once(upstream, 'connect')
      socket.write('HTTP/1.1 200 Connection Established\r\n\r\n')
      await Promise.all([pipeline(socket, upstream), pipeline(upstream, socket)])
    } catch {
      socket.destroy() // the listener is down or an end left early: the client sees the tunnel close, as with a real proxy
    }
    this.#options.ledger.close(entry)
  }

  async #relay(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const entry = this.#open(request, 'other')
    const url = URL.parse(request.url ?? '')
    const target = this.#targetOf(request, url?.hostname ?? '')
    if (typeof target === 'number') {
      entry.status = target
      response.writeHead(target, target === 407 ? { 'Proxy-Authenticate': 'Basic realm="proxy"' } : {}).end()
      this.#options.ledger.close(entry)
      return
    }
    const { 'proxy-authorization': _secret, 'proxy-connection': _hop, ...headers } = request.headers
    const onward = http.request({ ...target, method: request.method, path: `${url?.pathname}${url?.search}`, headers, agent: false })
    try {
      const answered = once(onward, 'response') as Promise<[IncomingMessage]>
      await Promise.all([answered, pipeline(request, onward)])
      const [answer] = await answered
      entry.status = answer.statusCode ?? 0
      response.writeHead(entry.status, answer.headers)
      await pipeline(answer, response)
    } catch {
      response.destroy() // an end left early: the client sees a short answer, as with a real proxy
    }
    this.#options.ledger.close(entry)
  }
}
