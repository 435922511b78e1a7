// Ends an answer that can't be completed. The client must see the connection end (FIN) before the last byte: containerd resumes
// after a FIN and gives up on a reset, and an orderly end of a chunked or short body would pass for the whole.
import type { IncomingMessage, ServerResponse } from 'node:http'
import { constants, type Http2ServerResponse } from 'node:http2'
import { systemClock } from '../lib/clock.ts'

/** How long a client may take to close its side. */
const lingerMs = 10_000

export function endShort({ req, res }: { readonly req: IncomingMessage; readonly res: ServerResponse }): void {
  const { socket } = res
  if (req.httpVersionMajor > 1) {
    endStreamShort(res)
    return
  }
  if (socket === null || socket.destroyed) return
  socket.end()
  // Closing a socket with unread data sends a reset, which throws away what the client has not read yet. So the request's
  // body and anything pipelined is read and dropped until the client closes, too.
  req.resume()
  socket.resume()
  void systemClock.sleep(lingerMs).then(() => socket.destroy())
}

/** RFC 9113, section 8.1.1: a body shorter than its Content-Length is an error to the client, and one that Go resumes after. */
function endStreamShort(res: ServerResponse): void {
  const { stream } = res as unknown as Http2ServerResponse
  if (res.hasHeader('content-length')) stream.end()
  else stream.close(constants.NGHTTP2_INTERNAL_ERROR)
}
