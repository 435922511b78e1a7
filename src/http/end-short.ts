// Ends an answer that can't be completed. The client must see the connection end (FIN) before the last byte: containerd resumes
// after a FIN and gives up on a reset, and an orderly end of a chunked or short body would pass for the whole.
import type { IncomingMessage, ServerResponse } from 'node:http'
import { systemClock } from '../lib/clock.ts'

/** How long a client may take to close its side. */
const lingerMs = 10_000

export function endShort({ req, res }: { readonly req: IncomingMessage; readonly res: ServerResponse }): void {
  const { socket } = res
  if (socket === null || socket.destroyed) return
  socket.end()
  // Closing a socket with unread data sends a reset, which throws away what the client has not read yet. So the request's
  // body and anything pipelined is read and dropped until the client closes, too.
  req.resume()
  socket.resume()
  void systemClock.sleep(lingerMs).then(() => socket.destroy())
}
