// Listening and stopping. A stop lets running answers finish within a deadline; connections without one are closed at once.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { unlink } from 'node:fs/promises'
import { once } from 'node:events'
import { type Clock, systemClock } from '../lib/clock.ts'
import type { Log } from '../telemetry/log.ts'
import type { LiveRequests } from './middleware/cancellation.ts'

/** Room for long Authorization and Cookie headers of proxies; beyond it clients get 431. */
const maxHeaderBytes = 32 * 1024
/** Longer than the idle time of usual load balancers (60 s), so that it is they who close and no request runs into a closed door. */
const keepAliveTimeoutMs = 75_000
/** For a request's headers; also ends connections that never ask anything. */
const headersTimeoutMs = 60_000
/** How long a client that sent nonsense may take to read what was wrong with it. */
const refusalLingerMs = 2000

export type ListenTarget = { readonly host?: string | undefined; readonly port: number } | { readonly path: string }

export interface ServerOptions {
  /** A Koa application's callback; never rejects. */
  readonly handle: (req: IncomingMessage, res: ServerResponse) => Promise<unknown>
  readonly requests: LiveRequests
  readonly log: Log
  readonly listen: ListenTarget
  readonly clock?: Clock | undefined
}

export interface OpenServer extends AsyncDisposable {
  /** `127.0.0.1:5000`, `[::]:5000`, or the path of the socket. */
  readonly address: string
  /** `undefined` for a Unix socket. */
  readonly port: number | undefined
  /** Stops accepting, lets what runs finish, and after the deadline ends it. Resolves when all connections are closed. */
  drain(deadlineMs: number): Promise<void>
}

/** Resolves when it listens; throws what listening throws (EADDRINUSE, EACCES). */
export async function openServer(options: ServerOptions): Promise<OpenServer> {
  const server = createServer(
    {
      maxHeaderSize: maxHeaderBytes,
      keepAliveTimeout: keepAliveTimeoutMs,
      headersTimeout: headersTimeoutMs,
      // A push may take as long as it likes; who takes a body ends those that fall silent.
      requestTimeout: 0,
      noDelay: true,
    },
    (req, res) => void options.handle(req, res),
  )
  // Leave to send is given where the body is wanted, so that nobody sends a gigabyte to be refused.
  server.on('checkContinue', (req, res) => void options.handle(req, res))
  server.on('clientError', refuse)
  const sockets = new Set<Socket>()
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  await listen(server, options.listen)
  server.on('error', (error) => options.log.error({ error }, 'the listener failed'))
  let stopped: Promise<void> | undefined
  const drain = (deadlineMs: number) => (stopped ??= stop({ ...options, server, sockets }, deadlineMs))
  const address = server.address()
  return {
    address: textOf(address),
    port: typeof address === 'object' ? address?.port : undefined,
    drain,
    [Symbol.asyncDispose]: () => drain(0),
  }
}

interface Running extends ServerOptions {
  readonly server: Server
  readonly sockets: ReadonlySet<Socket>
}

async function stop({ server, sockets, requests, log, clock }: Running, deadlineMs: number): Promise<void> {
  const closed = once(server, 'close')
  server.close()
  closeUnused(sockets, requests)
  // A response is known to be out before its socket is free, so what is left to close is looked up afterwards.
  requests.onEnded = () => setImmediate(closeUnused, sockets, requests)
  const late = (clock ?? systemClock).sleep(deadlineMs).then(() => 'late' as const)
  if ((await Promise.race([closed, late])) === 'late' && sockets.size > 0) {
    log.warn({ requests: requests.size }, 'ending requests that did not finish in time')
    requests.abortAll(new Error('the server stops'))
    for (const socket of sockets) socket.destroy()
  }
  await closed
  requests.onEnded = undefined
}

/** Node's own closeIdleConnections leaves those open that never asked anything. */
function closeUnused(sockets: ReadonlySet<Socket>, requests: LiveRequests): void {
  const used = requests.sockets()
  for (const socket of sockets) if (!used.has(socket)) socket.destroySoon()
}

async function listen(server: Server, target: ListenTarget): Promise<void> {
  try {
    await listenOnce(server, target)
  } catch (error) {
    if (!('path' in target) || !isInUse(error) || (await isAnswering(target.path))) throw error
    // Left behind by a process that was killed: nobody accepts on it.
    await unlink(target.path)
    await listenOnce(server, target)
  }
}

async function listenOnce(server: Server, target: ListenTarget): Promise<void> {
  const listening = once(server, 'listening')
  if ('path' in target) server.listen(target.path)
  else if (target.host === undefined || target.host === '') server.listen(target.port)
  else server.listen(target.port, target.host)
  await listening
}

function isInUse(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EADDRINUSE'
}

function isAnswering(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path)
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })
}

const refusals: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
}

/**
 * What is not HTTP. Node's own way closes at once, and with unread data that resets the connection before the client has read the
 * answer; so this end closes first and waits a little. While an answer is on its way nothing may be written in between.
 */
function refuse(error: NodeJS.ErrnoException, duplex: unknown): void {
  const socket = duplex as Socket & { _httpMessage?: { headersSent: boolean } | null }
  // Already closing; the rest of what it sends is read and dropped, as closing over unread data would reset the connection.
  if (socket.writableEnded && !socket.destroyed && error.code !== 'ECONNRESET') return
  if (!socket.writable || error.code === 'ECONNRESET' || socket._httpMessage?.headersSent === true) {
    socket.destroy()
    return
  }
  const status = refusals[error.code ?? ''] ?? '400 Bad Request'
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`)
  socket.setTimeout(refusalLingerMs, () => socket.destroy())
}

function textOf(address: string | AddressInfo | null): string {
  if (address === null || typeof address === 'string') return address ?? ''
  return address.family === 'IPv6' ? `[${address.address}]:${address.port}` : `${address.address}:${address.port}`
}
