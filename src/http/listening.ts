// A socket to listen on: an address and a port, or a path, which is taken over from a process that was killed.
import { once } from 'node:events'
import { unlink } from 'node:fs/promises'
import { type AddressInfo, connect, type Server } from 'node:net'

export type ListenTarget =
  /** `exclusive`: not shared with other workers of node:cluster. */
  { readonly host?: string | undefined; readonly port: number; readonly exclusive?: boolean } | { readonly path: string }

/** Throws what listening throws (EADDRINUSE, EACCES). */
export async function listen(server: Server, target: ListenTarget): Promise<void> {
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
  else server.listen({ ...target, host: target.host === '' ? undefined : target.host })
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

export function textOf(address: string | AddressInfo | null): string {
  if (address === null || typeof address === 'string') return address ?? ''
  return address.family === 'IPv6' ? `[${address.address}]:${address.port}` : `${address.address}:${address.port}`
}
