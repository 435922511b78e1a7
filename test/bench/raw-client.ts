// A client that costs as little as can be, so that it does not become what is measured: a bare socket that reads into one
// buffer for all connections of the process, and looks at the bytes only if it is told to.
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

/** Larger than a socket's receive buffer: one system call takes all that is there. */
const shared = Buffer.allocUnsafeSlow(1024 * 1024)
const longestHead = 16 * 1024

export interface Answer {
  readonly status: number
  /** Names in lower case. */
  readonly headers: ReadonlyMap<string, string>
  /** Bytes of the body. */
  readonly length: number
  /** Milliseconds from the call, connecting included, to the first byte of the body. */
  readonly firstByteMs: number
  /** To the last. */
  readonly lastByteMs: number
}

/** A body's next bytes; they are overwritten afterwards. */
export type Consumer = (bytes: Buffer) => void

export interface RequestParts {
  readonly consume?: Consumer
  /** `Name: value`. */
  readonly headers?: readonly string[]
  readonly body?: Iterable<Buffer>
}

/** A keep-alive connection, one request at a time. */
export class RawClient implements Disposable {
  readonly #port: number
  #socket: Socket | undefined
  #pending: Pending | undefined

  constructor(port: number) {
    this.#port = port
  }

  /** Throws when the connection breaks before the body is whole. The body must have a Content-Length. */
  get(path: string, consume?: Consumer, headers: readonly string[] = []): Promise<Answer> {
    return this.request('GET', path, { headers, ...(consume === undefined ? {} : { consume }) })
  }

  /** As `get`. `body` is written as it is, so it must be framed as `headers` say. */
  async request(method: string, path: string, { consume, headers = [], body = [] }: RequestParts = {}): Promise<Answer> {
    const startedAt = performance.now()
    const socket = (this.#socket ??= this.#connect())
    const lines = [`${method} ${path} HTTP/1.1`, `Host: 127.0.0.1:${this.#port}`, 'User-Agent: bench', ...headers]
    const { promise, resolve, reject } = Promise.withResolvers<Answer>()
    this.#pending = { isHead: method === 'HEAD', startedAt, consume, resolve, reject, head: '', answer: undefined, left: 0 }
    socket.write(`${lines.join('\r\n')}\r\n\r\n`)
    for (const bytes of body) {
      // Once it is answered, or has broken, nobody wants the rest.
      if (this.#pending === undefined) break
      if (!socket.write(bytes)) await Promise.race([once(socket, 'drain'), promise])
    }
    return promise
  }

  [Symbol.dispose](): void {
    this.#socket?.destroy()
  }

  #connect(): Socket {
    const onread = { buffer: shared, callback: (length: number) => this.#take(shared.subarray(0, length)) }
    const socket = connect({ port: this.#port, host: '127.0.0.1', onread, noDelay: true })
    socket.on('error', (error) => this.#broken(error))
    socket.on('end', () => socket.destroy())
    socket.on('close', () => this.#broken(new Error('the server closed the connection')))
    return socket
  }

  #broken(error: Error): void {
    const pending = this.#pending
    this.#pending = undefined
    this.#socket = undefined
    if (pending === undefined) return
    pending.reject(new Error(`${error.message}; ${pending.left} bytes of the body are missing`, { cause: error }))
  }

  #take(bytes: Buffer): boolean {
    const pending = this.#pending
    if (pending === undefined) return false
    const body = pending.answer === undefined ? beginAnswer(pending, bytes) : bytes
    if (body === undefined) return true
    if (body.length > 0) takeBody(pending, body)
    const { answer } = pending
    if (answer !== undefined && pending.left === 0) {
      this.#pending = undefined
      pending.resolve({ ...answer, lastByteMs: performance.now() - pending.startedAt })
    }
    return true
  }
}

interface Pending {
  readonly isHead: boolean
  readonly startedAt: number
  readonly consume: Consumer | undefined
  readonly resolve: (answer: Answer) => void
  readonly reject: (error: Error) => void
  head: string
  answer: Omit<Answer, 'lastByteMs'> | undefined
  left: number
}

/** What of the bytes is body; `undefined` while the head is not whole. */
function beginAnswer(pending: Pending, bytes: Buffer): Buffer | undefined {
  const before = pending.head.length
  pending.head += bytes.toString('latin1', 0, longestHead)
  const end = pending.head.indexOf('\r\n\r\n')
  if (end < 0) return undefined
  const [first = '', ...lines] = pending.head.slice(0, end).split('\r\n')
  const headers = new Map(lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]))
  const length = Number(headers.get('content-length') ?? Number.NaN)
  pending.answer = { status: Number(first.split(' ')[1]), headers, length, firstByteMs: Number.NaN }
  pending.left = pending.isHead ? 0 : length
  return bytes.subarray(end + 4 - before)
}

function takeBody(pending: Pending, body: Buffer): void {
  const { answer } = pending
  if (answer === undefined) return
  if (Number.isNaN(answer.firstByteMs)) pending.answer = { ...answer, firstByteMs: performance.now() - pending.startedAt }
  pending.left -= body.length
  pending.consume?.(body)
}
