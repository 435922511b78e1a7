// Listening and stopping. A stop lets running answers finish within a deadline; connections without one are closed at once.
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Server, Socket } from 'node:net'
import { once } from 'node:events'
import { type Clock, systemClock } from '../lib/clock.ts'
import type { Log } from '../telemetry/log.ts'
import { createEntrance, type Entrance, type TlsSide } from './entrance.ts'
import { listen, type ListenTarget, textOf } from './listening.ts'
import type { LiveRequests } from './middleware/cancellation.ts'

/** Room for long Authorization and Cookie headers of proxies; beyond it clients get 431. */
const maxHeaderBytes = 32 * 1024
/** Longer than the idle time of usual load balancers (60 s), so that it is they who close and no request runs into a closed door. */
const keepAliveTimeoutMs = 75_000
/** For a request's headers; also ends connections that never ask anything. */
const headersTimeoutMs = 60_000

export interface ServerOptions {
  /** A Koa application's callback; never rejects. */
  readonly handle: (req: IncomingMessage, res: ServerResponse) => Promise<unknown>
  readonly requests: LiveRequests
  readonly log: Log
  readonly listen: ListenTarget
  readonly clock?: Clock | undefined
  /** `undefined`: plain HTTP. */
  readonly tls?: TlsSide | undefined
  /** Whether HTTP/2 is spoken, too. */
  readonly http2?: boolean | undefined
  readonly limits?: ConnectionLimits | undefined
}

/** `http.limits` on connections; what is not set is as it is without. */
export interface ConnectionLimits {
  readonly maxHeaderBytes?: number | undefined
  readonly headersTimeoutMs?: number | undefined
  readonly idleMs?: number | undefined
  readonly perAddress?: number | undefined
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
  const { limits = {} } = options
  const entrance = createEntrance({
    ...options,
    maxHeaderBytes: limits.maxHeaderBytes ?? maxHeaderBytes,
    headersTimeoutMs: limits.headersTimeoutMs ?? headersTimeoutMs,
    idleMs: limits.idleMs ?? keepAliveTimeoutMs,
    perAddress: limits.perAddress,
  })
  const { server } = entrance
  try {
    await listen(server, options.listen)
  } catch (error) {
    entrance.close()
    throw error
  }
  server.on('error', (error) => options.log.error({ error }, 'the listener failed'))
  let stopped: Promise<void> | undefined
  const drain = (deadlineMs: number) => (stopped ??= stop({ ...options, entrance, server }, deadlineMs))
  const address = server.address()
  return {
    address: textOf(address),
    port: typeof address === 'object' ? address?.port : undefined,
    drain,
    [Symbol.asyncDispose]: () => drain(0),
  }
}

interface Running extends ServerOptions {
  readonly entrance: Entrance
  readonly server: Server
}

async function stop({ entrance, server, requests, log, clock }: Running, deadlineMs: number): Promise<void> {
  const { sockets, sessions } = entrance
  const closed = once(server, 'close')
  server.close()
  entrance.close()
  closeUnused(sockets, requests)
  // Tells the client that no further request is taken, and ends when the open ones have.
  for (const session of sessions) session.close()
  // A response is known to be out before its socket is free, so what is left to close is looked up afterwards.
  requests.onEnded = () => setImmediate(closeUnused, sockets, requests)
  const late = (clock ?? systemClock).sleep(deadlineMs).then(() => 'late' as const)
  if ((await Promise.race([closed, late])) === 'late' && sockets.size + sessions.size > 0) {
    log.warn({ requests: requests.size }, 'ending requests that did not finish in time')
    requests.abortAll(new Error('the server stops'))
    for (const socket of sockets) socket.destroy()
    for (const session of sessions) session.destroy()
  }
  await closed
  requests.onEnded = undefined
}

/** Node's own closeIdleConnections leaves those open that never asked anything. */
function closeUnused(sockets: ReadonlySet<Socket>, requests: LiveRequests): void {
  const used = requests.sockets()
  for (const socket of sockets) if (!used.has(socket)) socket.destroySoon()
}
