// A file's bytes to a plain connection by sendfile(2), which copies nothing through this process. An accelerator only: it needs
// Linux and the optional package koffi, and wherever anything is odd it stops and says how far it came.
import { type FileHandle, open } from 'node:fs/promises'
import { Socket } from 'node:net'
import { setImmediate } from 'node:timers/promises'
import { TLSSocket } from 'node:tls'
import type { Exchange } from './exchange.ts'
import { written } from './written.ts'

/** Below this, opening the file costs more than the copies. */
const smallestPart = 128 * 1024
/** One call blocks the process for as long as the disk needs for this much. */
const bytesPerCall = 512 * 1024
/** After this much others get their turn. */
const bytesPerTurn = 2 * 1024 * 1024
const bridgeBytes = 32 * 1024

/** Bytes sent, or minus the error's number. */
type Sendfile = (socket: number, file: number, offset: number, count: number) => number
let loading: Promise<Sendfile | undefined> | undefined

export interface FilePart {
  readonly path: string
  readonly start: number
  readonly length: number
  /** Bytes that the whole file must have. */
  readonly size: number
}

/**
 * Resolves with the number of bytes that were sent, from the part's start on; what is missing must be sent another way. The
 * answer's headers must be written. Rejects when the client is gone.
 */
export async function sendFile(exchange: Exchange, part: FilePart): Promise<number> {
  const { socket } = exchange.res
  // Connections of HTTP/2 carry frames.
  if (exchange.req.httpVersionMajor > 1) return 0
  if (part.length < smallestPart || socket === null || descriptorOf(socket) === undefined) return 0
  const sendfile = await (loading ??= loadSendfile())
  if (sendfile === undefined) return 0
  const file = await openWhole(part)
  if (file === undefined) return 0
  try {
    return await transfer(exchange, file, part, sendfile)
  } finally {
    await file.close()
  }
}

async function transfer(exchange: Exchange, file: FileHandle, part: FilePart, sendfile: Sendfile): Promise<number> {
  const bridge = Buffer.allocUnsafeSlow(bridgeBytes)
  const end = part.start + part.length
  let at = part.start
  while (at < end) {
    // A real write goes first and whenever the connection is full: it takes what was written before it along, and its callback is
    // the only word from Node that there is room again.
    const { bytesRead } = await file.read(bridge, 0, Math.min(bridge.length, end - at), at)
    if (bytesRead === 0) break
    exchange.bodyBytes += bytesRead
    await written(exchange.res, bridge.subarray(0, bytesRead))
    at += bytesRead
    const run = await sendUntilFull(exchange, { file: file.fd, at, end }, sendfile)
    at += run.sent
    if (run.odd) break
  }
  return at - part.start
}

async function sendUntilFull(
  exchange: Exchange,
  { file, at, end }: { file: number; at: number; end: number },
  sendfile: Sendfile,
): Promise<{ sent: number; odd: boolean }> {
  let position = at
  let turn = bytesPerTurn
  while (position < end) {
    // Looked up each time: the number of a closed connection may already be another's.
    const socket = descriptorOf(exchange.res.socket)
    if (socket === undefined) return { sent: position - at, odd: true }
    const sent = sendfile(socket, file, position, Math.min(bytesPerCall, end - position))
    if (sent <= 0) return { sent: position - at, odd: sent !== -eagain }
    position += sent
    exchange.bodyBytes += sent
    turn -= sent
    if (turn <= 0) {
      turn = bytesPerTurn
      await setImmediate()
    }
  }
  return { sent: position - at, odd: false }
}

const eagain = 11

/** The number that the system knows a plain, open connection by; `undefined` for any other. */
function descriptorOf(socket: Socket | null): number | undefined {
  if (socket === null || socket.destroyed || socket instanceof TLSSocket || !(socket instanceof Socket)) return undefined
  const { _handle: handle } = socket as unknown as { _handle?: { fd?: unknown } | null }
  return typeof handle?.fd === 'number' && handle.fd >= 0 ? handle.fd : undefined
}

/** `undefined` when it is gone or not what was promised: the other way will tell why. */
async function openWhole(part: FilePart): Promise<FileHandle | undefined> {
  let file: FileHandle
  try {
    file = await open(part.path, 'r')
  } catch {
    return undefined
  }
  const { size } = await file.stat()
  if (size === part.size) return file
  await file.close()
  return undefined
}

async function loadSendfile(): Promise<Sendfile | undefined> {
  if (process.platform !== 'linux') return undefined
  try {
    const { default: koffi } = await import('koffi')
    // The C library that Node itself runs on, whatever its name is here.
    const call = koffi.load(null).func('int64_t sendfile(int, int, int64_t*, size_t)')
    const offset = new BigInt64Array(1)
    return (socket, file, start, count) => {
      offset[0] = BigInt(start)
      const sent = Number(call(socket, file, offset, count))
      return sent < 0 ? -koffi.errno() : sent
    }
  } catch {
    // Not installed, or not for this machine: nothing is lost but speed.
    return undefined
  }
}
