// One listening port of the Hub, with everything that can be wrong below HTTP: closed, silent, unreachable, broken TLS.
import { once } from 'node:events'
import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import http2 from 'node:http2'
import https from 'node:https'
import net, { type AddressInfo, type Server, type Socket } from 'node:net'
import { Worker } from 'node:worker_threads'
import type { Certificates } from './certificates.ts'

export type Answering = (request: IncomingMessage, response: ServerResponse) => void

export interface ListenerOptions {
  readonly host: string
  readonly port: number
  readonly certificates: Certificates | undefined
  readonly http2: boolean
  readonly keepAliveTimeoutMs: number
  readonly answer: Answering
}

/** A TCP connection's number and how many requests it has carried. */
export interface Connection {
  readonly socket: Socket
  readonly number: number
  turns: number
}

interface HttpServer extends Server {
  setSecureContext?(options: { key: string; cert: string }): void
}

let connectionNumber = 0

function httpServer(options: ListenerOptions): HttpServer {
  const { answer, certificates } = options
  const limits = { keepAliveTimeout: options.keepAliveTimeoutMs, requestTimeout: 0, headersTimeout: 0, maxHeaderSize: 64 * 1024 }
  if (certificates === undefined) return http.createServer(limits, answer)
  const tls = { key: certificates.key, cert: certificates.certificate }
  if (!options.http2) return https.createServer({ ...limits, ...tls }, answer)
  const server = http2.createSecureServer({ ...tls, allowHTTP1: true })
  // Node's HTTP/2 compatibility API has the same members as far as the Hub uses them.
  server.on('request', answer as unknown as Parameters<typeof server.on>[1])
  server.on('sessionError', () => {}) // a peer that left in the middle of a frame
  return server
}

/**
 * Fills a port's backlog from a thread that never accepts: further SYNs are dropped by the kernel, so connecting takes until the
 * client's own time-out. (A port that merely accepts and keeps silent is `mute`.)
 */
const blackHoleThread = `
const { parentPort, workerData } = require('node:worker_threads')
require('node:net').createServer().listen({ ...workerData, backlog: 1 }, () => {
  parentPort.postMessage('listening')
  setImmediate(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0))
})`

export class Listener {
  readonly #options: ListenerOptions
  readonly #inner: HttpServer
  readonly #connections = new Map<string, Connection>()
  #front: Server | undefined
  #mode: 'serve' | 'mute' | 'garbage' = 'serve'
  #thread: Worker | undefined
  #fillers: Socket[] = []
  #port: number
  #most = 0

  constructor(options: ListenerOptions) {
    this.#options = options
    this.#port = options.port
    this.#inner = httpServer(options)
    this.#inner.on('tlsClientError', () => {}) // a client that does not trust us: its own error says so
    this.#inner.on('clientError', (_error, socket: Socket) => socket.destroy())
  }

  get port(): number {
    return this.#port
  }

  /** TCP connections open now, and the most that were open at one time. */
  get connections(): { readonly open: number; readonly most: number } {
    return { open: this.#connections.size, most: this.#most }
  }

  /** Serves, on the same port as ever, whatever was wrong before. */
  async up(): Promise<void> {
    await this.#stopThread()
    this.#mode = 'serve'
    const { certificates } = this.#options
    if (certificates !== undefined) this.#inner.setSecureContext?.({ key: certificates.key, cert: certificates.certificate })
    if (this.#front !== undefined) return
    const front = net.createServer({ noDelay: true, allowHalfOpen: true }, (socket) => this.#take(socket))
    front.listen({ host: this.#options.host, port: this.#port, backlog: 1024 })
    await once(front, 'listening')
    this.#port = (front.address() as AddressInfo).port
    this.#front = front
  }

  /** Stops listening and destroys the connections: clients get ECONNREFUSED. */
  async down(): Promise<void> {
    await this.#stopThread()
    const front = this.#front
    this.#front = undefined
    const closed = front === undefined ? undefined : once(front, 'close')
    front?.close()
    await this.#endConnections()
    await closed
  }

  /** Makes connecting take for ever. */
  async blackHole(): Promise<void> {
    await this.down()
    const address = { host: this.#options.host, port: this.#port }
    this.#thread = new Worker(blackHoleThread, { eval: true, workerData: address })
    await once(this.#thread, 'message')
    this.#fillers = [net.connect(address), net.connect(address)]
    for (const filler of this.#fillers) filler.on('error', () => {})
    await Promise.all(this.#fillers.map((filler) => once(filler, 'connect')))
  }

  /** Accepts connections and never says a word on them; those already open keep working. */
  async mute(): Promise<void> {
    await this.up()
    this.#mode = 'mute'
  }

  /** New TLS handshakes fail: by bytes that are not TLS, or by a certificate that nobody trusts. Ends the open connections. */
  async breakTls(how: 'garbage' | 'untrusted'): Promise<void> {
    await this.up()
    await this.#endConnections()
    const other = this.#options.certificates?.untrusted
    if (how === 'untrusted' && other !== undefined) this.#inner.setSecureContext?.({ key: other.key, cert: other.certificate })
    else this.#mode = 'garbage'
  }

  /** The connection that a request came on; counts the request. */
  connectionOf(request: IncomingMessage): Connection {
    const { remoteAddress, remotePort } = request.socket
    const found = this.#connections.get(`${remoteAddress} ${remotePort}`)
    if (found === undefined) throw new Error(`the stand-in Hub lost the connection from ${remoteAddress} port ${remotePort}`)
    found.turns += 1
    return found
  }

  #take(socket: Socket): void {
    const key = `${socket.remoteAddress} ${socket.remotePort}`
    connectionNumber += 1
    this.#connections.set(key, { socket, number: connectionNumber, turns: 0 })
    this.#most = Math.max(this.#most, this.#connections.size)
    socket.once('close', () => this.#connections.delete(key))
    socket.on('error', () => {}) // resets by clients are everyday; 'close' follows
    if (this.#mode === 'serve') this.#inner.emit('connection', socket)
    if (this.#mode === 'mute') socket.once('end', () => socket.end()).resume()
    if (this.#mode === 'garbage') socket.end('this is not the protocol that you expect\r\n')
  }

  async #endConnections(): Promise<void> {
    const sockets = [...this.#connections.values()].map(({ socket }) => socket).filter((socket) => !socket.destroyed)
    await Promise.all(sockets.map(async (socket) => once(socket.destroy(), 'close')))
  }

  async #stopThread(): Promise<void> {
    for (const filler of this.#fillers.splice(0)) filler.destroy()
    const thread = this.#thread
    this.#thread = undefined
    await thread?.terminate()
  }
}
