// Clients of a TLS port: HTTP/1.1 and HTTP/2, with and without certificates, each on a connection of its own.
import { once } from 'node:events'
import { connect as connectHttp2, type ClientHttp2Session, type IncomingHttpHeaders, type OutgoingHttpHeaders } from 'node:http2'
import { request } from 'node:https'
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from 'node:tls'

/** Longer than any order of a certificate takes, for whose end a handshake waits. */
const patienceMs = 30_000

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

export interface Asking {
  readonly method?: string
  readonly headers?: Record<string, string>
  readonly body?: Buffer
}

/** HTTP/1.1. Rejects when the handshake fails or the answer is cut. */
export function ask(
  port: number,
  path: string,
  tls: ConnectionOptions,
  { method = 'GET', headers = {}, body }: Asking = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asked = request(
      { host: '127.0.0.1', port, path, method, headers, agent: false, signal: AbortSignal.timeout(patienceMs), ...tls },
      (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('error', reject)
        response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) }))
      },
    )
    asked.on('error', reject)
    asked.end(body)
  })
}

/** Resolves when the settings of the server are there, so the session speaks HTTP/2. */
export async function openHttp2(url: string, tls: ConnectionOptions = {}): Promise<ClientHttp2Session & AsyncDisposable> {
  const session = connectHttp2(url, tls)
  await once(session, 'remoteSettings')
  return Object.assign(session, {
    async [Symbol.asyncDispose]() {
      if (session.closed || session.destroyed) return
      session.destroy()
    },
  })
}

/** HTTP/2. Rejects when the stream is reset. */
export function askHttp2(session: ClientHttp2Session, path: string, { method = 'GET', headers = {}, body }: Asking = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const outgoing: OutgoingHttpHeaders = { ...headers, ':path': path, ':method': method }
    const stream = session.request(outgoing, { endStream: body === undefined })
    let answered: IncomingHttpHeaders = {}
    const chunks: Buffer[] = []
    stream.on('response', (received) => (answered = received))
    stream.on('data', (chunk: Buffer) => chunks.push(chunk))
    stream.on('error', reject)
    stream.on('end', () => {
      if (stream.rstCode === 0)
        resolve({ status: Number((answered as { ':status'?: number })[':status']), headers: answered, body: Buffer.concat(chunks) })
    })
    stream.on('aborted', () => reject(new Error('the stream was reset')))
    if (body !== undefined) stream.end(body)
  })
}

export async function handshake(port: number, options: ConnectionOptions): Promise<TLSSocket> {
  const socket = connectTls({ host: '127.0.0.1', port, ...options })
  try {
    await once(socket, 'secureConnect', { signal: AbortSignal.timeout(patienceMs) })
    return socket
  } catch (error) {
    // Else it would keep the server, and the test's process, from ending.
    socket.destroy()
    throw error
  }
}
