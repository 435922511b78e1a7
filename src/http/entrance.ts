// What a new connection speaks, and who takes it: TLS or not, HTTP/1.1 or HTTP/2. Where only plain HTTP/1.1 is spoken, connections
// go to Node's server directly and nothing here is in their way.
import { createServer as createHttp1, type IncomingMessage, type Server as Http1Server, type ServerResponse } from 'node:http'
import type { ServerHttp2Session } from 'node:http2'
import { createServer as createRaw, type Server, type Socket } from 'node:net'
import { createServer as createTls, type SecureContextOptions, type TlsOptions, type TLSSocket } from 'node:tls'
import type { Log } from '../telemetry/log.ts'
import { createHttp2 } from './http2.ts'
import { endWith, refuse, refuseConnection, refusePlainHttp } from './refusals.ts'

/** What TLS is spoken with; what makes and renews it lives elsewhere. */
export interface TlsSide {
  readonly options: TlsOptions
  /** Calls with the newest certificate from then on; connections that are open keep theirs. */
  onRenewal(listener: (context: SecureContextOptions) => void): void
  /** After the handshake: whether the client has shown what it must. */
  admits(socket: TLSSocket): boolean
  /** Takes a connection whose ClientHello (its beginning) belongs to a challenge of an ACME server. */
  challenged?(hello: Buffer, socket: Socket): boolean
  /** The answer to an http-01 challenge, which comes without TLS: to port 80, from where it can be led here. */
  answerToken?(token: string): Promise<string | undefined>
}

export interface EntranceOptions {
  readonly handle: (req: IncomingMessage, res: ServerResponse) => Promise<unknown>
  readonly log: Log
  /** `undefined`: plain. */
  readonly tls?: TlsSide | undefined
  /** HTTP/2: by ALPN over TLS, by prior knowledge (RFC 9113, section 3.3) without. */
  readonly http2?: boolean | undefined
  readonly maxHeaderBytes: number
  readonly headersTimeoutMs: number
  readonly idleMs: number
  /** Open connections of one address; Unix sockets have none. */
  readonly perAddress?: number | undefined
}

export interface Entrance {
  /** To listen with. */
  readonly server: Server
  /** Of HTTP/1.1, and those that have not said yet what they speak. */
  readonly sockets: ReadonlySet<Socket>
  readonly sessions: ReadonlySet<ServerHttp2Session>
  /** Ends the timers of the parts that do not listen themselves. */
  close(): void
}

interface Speakers {
  readonly http1: (socket: Socket) => void
  readonly http2: ((socket: Socket) => void) | undefined
}

export function createEntrance(options: EntranceOptions): Entrance {
  const sockets = new Set<Socket>()
  const track = (socket: Socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  }
  const http1 = createPlain(options)
  http1.on('connection', track)
  const { perAddress } = options
  if (options.tls === undefined && options.http2 !== true && perAddress === undefined)
    return { server: http1, sockets, sessions: new Set(), close: () => undefined }

  // A server that does not listen has to be told to watch its time-outs.
  http1.emit('listening')
  const http2 = options.http2 === true ? createHttp2(options) : undefined
  const speakers: Speakers = {
    http1: (socket) => http1.emit('connection', socket),
    http2: http2 === undefined ? undefined : (socket) => http2.server.emit('connection', socket),
  }
  const forget = (socket: Socket) => void sockets.delete(socket)
  const take = options.tls === undefined ? clear(speakers, forget) : secure(options.tls, speakers, { ...options, forget })
  const isCrowded = perAddress === undefined ? () => false : createCrowding(perAddress)
  const server = createRaw({ noDelay: true }, (socket) => {
    track(socket)
    if (isCrowded(socket)) {
      if (options.tls === undefined) refuseConnection(socket)
      else socket.destroy()
      return
    }
    firstBytes(socket, options.headersTimeoutMs, (bytes) => take(socket, bytes))
  })
  return { server, sockets, sessions: http2?.sessions ?? new Set(), close: () => http1.close() }
}

/** Says whether an address has too many connections; else counts one more until it is closed. */
function createCrowding(perAddress: number): (socket: Socket) => boolean {
  const open = new Map<string, number>()
  return (socket) => {
    const address = socket.remoteAddress
    if (address === undefined) return false
    const count = (open.get(address) ?? 0) + 1
    // Those that are refused are not counted: their goodbyes would keep others out.
    if (count > perAddress) return true
    open.set(address, count)
    socket.once('close', () => {
      const left = (open.get(address) ?? 1) - 1
      if (left === 0) open.delete(address)
      else open.set(address, left)
    })
    return false
  }
}

function createPlain({ handle, maxHeaderBytes, headersTimeoutMs, idleMs }: EntranceOptions): Http1Server {
  const server = createHttp1(
    {
      maxHeaderSize: maxHeaderBytes,
      keepAliveTimeout: idleMs,
      headersTimeout: headersTimeoutMs,
      connectionsCheckingInterval: Math.min(30_000, headersTimeoutMs / 2),
      // A push may take as long as it likes; who takes a body ends those that fall silent.
      requestTimeout: 0,
      noDelay: true,
    },
    (req, res) => void handle(req, res),
  )
  // Called when it stops, Node's own way also cuts those that are still taking the end of an answer. Stopping has a better one.
  server.closeIdleConnections = () => undefined
  // Leave to send is given where the body is wanted, so that nobody sends a gigabyte to be refused.
  server.on('checkContinue', (req, res) => void handle(req, res))
  server.on('clientError', refuse)
  return server
}

type Take = (socket: Socket, firstBytes: Buffer) => void

const preface = Buffer.from('PRI * HTTP/2.0')

/** Plain HTTP/1.1 and HTTP/2 on one port. */
function clear({ http1, http2 }: Speakers, forget: (socket: Socket) => void): Take {
  return (socket, bytes) => {
    forget(socket)
    const length = Math.min(bytes.length, preface.length)
    const isHttp2 = bytes.subarray(0, length).equals(preface.subarray(0, length)) && length > 1
    if (isHttp2 && http2 !== undefined) http2(socket)
    else http1(socket)
  }
}

const handshakeRecord = 0x16

interface SecureParts extends Pick<EntranceOptions, 'log' | 'headersTimeoutMs'> {
  /** Those who speak now are known elsewhere; until then a stop has to end them. */
  readonly forget: (socket: Socket) => void
}

function secure(tls: TlsSide, { http1, http2 }: Speakers, { log, headersTimeoutMs, forget }: SecureParts): Take {
  const shaking = new Map<string, Socket>()
  const protocols = http2 === undefined ? ['http/1.1'] : ['h2', 'http/1.1']
  const server = createTls({ ...tls.options, ALPNProtocols: protocols, handshakeTimeout: headersTimeoutMs }, (socket) => {
    const carrier = shaking.get(peerOf(socket))
    if (carrier !== undefined) forget(carrier)
    shaking.delete(peerOf(socket))
    if (!tls.admits(socket)) {
      log.debug({ peer: socket.remoteAddress, error: socket.authorizationError }, 'refused a client without a valid certificate')
      socket.destroy()
    } else if (socket.alpnProtocol === 'h2') http2?.(socket)
    else http1(socket)
  })
  server.on('tlsClientError', (error, socket) => {
    log.debug({ error, peer: socket.remoteAddress }, 'a TLS handshake failed')
    socket.destroy()
  })
  tls.onRenewal((context) => server.setSecureContext({ ...tls.options, ...context }))
  return (socket, bytes) => {
    if (bytes[0] !== handshakeRecord) void answerPlain(tls, socket, bytes)
    else if (tls.challenged?.(bytes, socket) !== true) {
      const peer = peerOf(socket)
      shaking.set(peer, socket)
      socket.once('close', () => {
        if (shaking.get(peer) === socket) shaking.delete(peer)
      })
      server.emit('connection', socket)
    }
  }
}

/** The same of a socket and of what speaks TLS on it. */
function peerOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`
}

const challengeLine = /^GET \/\.well-known\/acme-challenge\/([\w-]{1,200}) HTTP\//

async function answerPlain(tls: TlsSide, socket: Socket, bytes: Buffer): Promise<void> {
  const token = challengeLine.exec(bytes.toString('latin1'))?.[1]
  const answer = token === undefined ? undefined : await tls.answerToken?.(token).catch(() => undefined)
  if (answer === undefined) refusePlainHttp(socket)
  else endWith(socket, '200 OK', 'text/plain', answer)
}

/** Looks at what comes first and puts it back. A connection that stays silent is closed. */
function firstBytes(socket: Socket, timeoutMs: number, take: (bytes: Buffer) => void): void {
  const onTimeout = () => socket.destroy()
  const onError = () => undefined
  const onReadable = () => {
    const bytes = socket.read() as Buffer | null
    if (bytes === null) return
    socket.off('readable', onReadable).off('error', onError).off('timeout', onTimeout).setTimeout(0)
    socket.unshift(bytes)
    take(bytes)
  }
  socket.on('readable', onReadable).on('error', onError).on('timeout', onTimeout).setTimeout(timeoutMs)
}
