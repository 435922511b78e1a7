// HTTP/2 requests and answers that look to the rest of the program like those of HTTP/1.1, so that nothing else has to know.
import { createServer, type Http2Server, Http2ServerRequest, Http2ServerResponse, type ServerHttp2Session } from 'node:http2'
import type { IncomingMessage, ServerResponse } from 'node:http'

/** Node's 64 KiB would make a push wait for each round trip. */
const windowBytes = 1024 * 1024
/** More requests than this at once on one connection is an attack, not a client. */
const maxStreams = 250
/** RFC 9113, section 8.2.2: these are not for HTTP/2. */
const ofConnections = new Set(['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade'])

export interface Http2Options {
  readonly handle: (req: IncomingMessage, res: ServerResponse) => unknown
  readonly maxHeaderBytes: number
  /** A connection without any traffic for so long is closed, after what it has asked for. */
  readonly idleMs: number
}

/** Does not listen: connections are handed to it. `sessions` holds those that are open. */
export function createHttp2({ handle, maxHeaderBytes, idleMs }: Http2Options): {
  readonly server: Http2Server
  readonly sessions: ReadonlySet<ServerHttp2Session>
} {
  const sessions = new Set<ServerHttp2Session>()
  const server = createServer({
    Http2ServerRequest: Request,
    Http2ServerResponse: Response as typeof Http2ServerResponse,
    settings: { initialWindowSize: windowBytes, maxConcurrentStreams: maxStreams, maxHeaderListSize: maxHeaderBytes },
  })
  const onRequest = (req: unknown, res: unknown) => void handle(req as IncomingMessage, res as ServerResponse)
  server.on('request', onRequest).on('checkContinue', onRequest)
  // Broken connections are the client's doing; requests on them end by themselves.
  server.on('sessionError', () => undefined)
  server.on('session', (session) => {
    sessions.add(session)
    session.once('close', () => sessions.delete(session))
    // The window of the whole connection; that of each stream is in the settings.
    session.setLocalWindowSize(4 * windowBytes)
    session.setTimeout(idleMs, () => session.close())
    // Each request in progress listens to its connection.
    session.socket.setMaxListeners(0)
  })
  return { server, sessions }
}

class Request extends Http2ServerRequest {
  constructor(...args: ConstructorParameters<typeof Http2ServerRequest>) {
    super(...args)
    const { headers, stream } = this
    headers.host ??= headers[':authority']
    // How HTTP/1.1 says that a body of unknown length follows.
    const isOpen = !(stream as unknown as { endAfterHeaders: boolean }).endAfterHeaders
    if (isOpen && headers['content-length'] === undefined) headers['transfer-encoding'] = 'chunked'
  }

  // Node's own gives nothing back, against its declared type, and tells only its callback.
  override setTimeout(ms: number, onTimeout?: () => void): this {
    if (onTimeout !== undefined) this.once('timeout', onTimeout)
    this.stream.setTimeout(ms, () => this.emit('timeout'))
    return this
  }
}

class Response extends Http2ServerResponse {
  /** Takes the flat list that ServerResponse takes: name, value, name, value. */
  override writeHead(status: number, ...rest: unknown[]): this {
    const list = rest.at(-1)
    const headers = Array.isArray(list) ? list.filter((_, at, all) => !ofConnections.has(String(all[at - (at % 2)]).toLowerCase())) : list
    return super.writeHead(status, headers as Record<string, string>)
  }
}

// What ServerResponse tells by it: all was handed over, and the client was there. Declared by Node's types, and not there.
Object.defineProperty(Response.prototype, 'writableFinished', {
  get(this: Response) {
    const { stream } = this
    return stream.writableFinished && stream.rstCode === 0
  },
})
