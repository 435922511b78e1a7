// One chunk to one client, and back-pressure as a promise.
import type { ServerResponse } from 'node:http'

/** Resolves when the connection has taken the chunk, so that its memory may be used again. Rejects when the client is gone. */
export function written(res: ServerResponse, chunk: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    res.write(chunk, (error) => (error === null || error === undefined ? resolve() : reject(error)))
  })
}
