// Clients that throw away what they get inside the kernel: recv(2) with MSG_TRUNC takes bytes off a connection without copying
// them. They stand for clients on other machines, which do not take the server's cores away; a client that copies is, on a
// small machine, slower than the servers that it is to compare.
import { type Finished, type DrainOrder, UnableToDrain } from './drain.ts'

const tcp = { family: 2, stream: 1, waitAll: 0x100, peek: 2, truncate: 0x20 }
const longestHead = 8 * 1024
/** One call returns at most so much. */
const bytesPerCall = 512 * 1024 * 1024

type Call = (...args: unknown[]) => Promise<number>

interface Sockets {
  readonly socket: Call
  readonly connect: Call
  readonly send: Call
  readonly recv: Call
  readonly close: Call
}

async function loadSockets(): Promise<Sockets> {
  const { default: koffi } = await import('koffi')
  const library = koffi.load(null)
  const waiting = (prototype: string): Call => {
    const call = library.func(prototype)
    return (...args) =>
      new Promise((resolve, reject) => {
        call.async(...args, (error: Error | null, value: number | bigint) => {
          if (error !== null) reject(error)
          else if (Number(value) < 0) reject(new Error(`${prototype} failed`))
          else resolve(Number(value))
        })
      })
  }
  return {
    socket: waiting('int socket(int, int, int)'),
    connect: waiting('int connect(int, const uint8_t *, uint32_t)'),
    send: waiting('int64_t send(int, const uint8_t *, size_t, int)'),
    recv: waiting('int64_t recv(int, uint8_t *, size_t, int)'),
    close: waiting('int close(int)'),
  }
}

async function drain(sockets: Sockets, { port, path, turns, size }: DrainOrder): Promise<void> {
  const { socket, connect, send, recv, close } = sockets
  const address = Buffer.from([tcp.family, 0, port >> 8, port & 0xff, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0])
  const request = Buffer.from(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nUser-Agent: bench\r\n\r\n`)
  const head = Buffer.alloc(longestHead)
  const connection = await socket(tcp.family, tcp.stream, 0)
  await connect(connection, address, address.length)
  for (let turn = 0; turn < turns; turn += 1) {
    await send(connection, request, request.length, 0)
    const text = await readHead(recv, connection, head)
    if (!text.startsWith('HTTP/1.1 200 ') || !new RegExp(`^content-length: ${size}\r?$`, 'im').test(text))
      throw new Error(`answered ${text}`)
    for (let left = size; left > 0; ) {
      const got = await recv(connection, null, Math.min(left, bytesPerCall), tcp.truncate | tcp.waitAll)
      if (got === 0) throw new Error(`${left} bytes are missing`)
      left -= got
    }
  }
  await close(connection)
}

async function readHead(recv: Call, connection: number, head: Buffer): Promise<string> {
  for (;;) {
    const length = await recv(connection, head, head.length, tcp.peek)
    const end = head.subarray(0, length).indexOf('\r\n\r\n') + 4
    if (end > 4) return head.toString('latin1', 0, await recv(connection, head, end, 0))
    if (length === 0 || length === head.length) throw new Error('there is no answer')
  }
}

const loading = loadSockets().catch(() => undefined)

process.on('message', (order: DrainOrder) => {
  void (async () => {
    const sockets = await loading
    if (sockets === undefined) return process.send?.(UnableToDrain)
    const startedAt = performance.now()
    try {
      await Promise.all(Array.from({ length: order.clients }, () => drain(sockets, order)))
      return process.send?.({ seconds: (performance.now() - startedAt) / 1000 } satisfies Finished)
    } catch (error) {
      return process.send?.({ failure: String(error) } satisfies Finished)
    }
  })()
})
process.on('disconnect', () => process.exit(0))
