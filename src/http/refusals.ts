// Answers to what never becomes a request: text that is not HTTP, headers without end, plain HTTP on a port for TLS.
import type { Socket } from 'node:net'

/** How long a client that sent nonsense may take to read what was wrong with it. */
const refusalLingerMs = 2000

const refusals: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
}

/**
 * What is not HTTP. Node's own way closes at once, and with unread data that resets the connection before the client has read the
 * answer; so this end closes first and waits a little. While an answer is on its way nothing may be written in between.
 */
export function refuse(error: NodeJS.ErrnoException, duplex: unknown): void {
  const socket = duplex as Socket & { _httpMessage?: { headersSent: boolean } | null }
  // Already closing; the rest of what it sends is read and dropped, as closing over unread data would reset the connection.
  if (socket.writableEnded && !socket.destroyed && error.code !== 'ECONNRESET') return
  if (!socket.writable || error.code === 'ECONNRESET' || socket._httpMessage?.headersSent === true) {
    socket.destroy()
    return
  }
  const status = refusals[error.code ?? ''] ?? '400 Bad Request'
  endWith(socket, status, 'application/json', errorBody('UNSUPPORTED', status.slice(4).toLowerCase()))
}

/** The words of Go's server, and so of distribution's. */
export function refusePlainHttp(socket: Socket): void {
  endWith(socket, '400 Bad Request', 'text/plain; charset=utf-8', 'Client sent an HTTP request to an HTTPS server.\n')
}

/** More connections from one address than `http.limits.connections`. */
export function refuseConnection(socket: Socket): void {
  const body = errorBody('TOOMANYREQUESTS', 'too many connections from this address')
  endWith(socket, '429 Too Many Requests\r\nRetry-After: 1', 'application/json', body)
}

function errorBody(code: string, message: string): string {
  return `${JSON.stringify({ errors: [{ code, message }] })}\n`
}

/** One answer, and the end of the connection. */
export function endWith(socket: Socket, status: string, mediaType: string, body: string): void {
  socket.on('error', () => undefined)
  // What still comes is read and dropped: closing over unread data would reset the connection.
  socket.resume()
  socket.end(
    `HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Type: ${mediaType}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  )
  socket.setTimeout(refusalLingerMs, () => socket.destroy())
}
