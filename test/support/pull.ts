// A client of a registry that sees everything: status, headers, each byte, and how the connection ended.
import { type ClientRequest, type IncomingMessage, request } from 'node:http'
import { digestOf } from './images.ts'

/** `fin`: the connection was closed in order before the body was whole; `reset`: it broke. */
export type Ending = 'whole' | 'fin' | 'reset'

export interface Asking {
  readonly method?: 'GET' | 'HEAD'
  readonly headers?: Readonly<Record<string, string>>
}

export interface Reply {
  readonly status: number
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
  readonly ending: Ending
}

/** An answer whose body is read as the test wants it. */
export class OpenAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly #request: ClientRequest
  readonly #response: IncomingMessage
  #received: Buffer = Buffer.alloc(0)
  #ending: Ending | undefined
  readonly #closed: Promise<void>

  constructor(asked: ClientRequest, response: IncomingMessage) {
    this.#request = asked
    this.#response = response
    this.status = response.statusCode ?? 0
    this.headers = Object.fromEntries(Object.entries(response.headers).map(([name, value]) => [name, String(value)]))
    let wasReset = false
    response.socket.on('error', () => {
      wasReset = true
    })
    response.on('error', () => {}) // said by 'close' and `complete`, too
    this.#closed = new Promise((resolve) => {
      response.on('close', () => {
        this.#ending = response.complete ? 'whole' : wasReset ? 'reset' : 'fin'
        resolve()
      })
    })
    response.pause()
  }

  /** What has been read so far. */
  get received(): Buffer {
    return this.#received
  }

  /** Reads until there are so many bytes in all, or the answer ends. */
  async readTo(bytes: number): Promise<Buffer> {
    while (this.#received.length < bytes && this.#ending === undefined) {
      const chunk = this.#response.read() as Buffer | null
      if (chunk === null) await Promise.race([new Promise((resolve) => this.#response.once('readable', resolve)), this.#closed])
      else this.#received = Buffer.concat([this.#received, chunk])
    }
    return this.#received
  }

  async readAll(): Promise<{ readonly body: Buffer; readonly ending: Ending }> {
    const chunks: Buffer[] = [this.#received]
    if (this.#ending === undefined) {
      this.#response.on('data', (chunk: Buffer) => chunks.push(chunk))
      this.#response.resume()
      await this.#closed
    }
    this.#received = Buffer.concat(chunks)
    return { body: this.#received, ending: this.#ending ?? 'whole' }
  }

  /** Breaks the connection off. */
  leave(): void {
    this.#request.destroy()
  }
}

/** Resolves with the headers. */
export function open(url: string, { method = 'GET', headers = {} }: Asking = {}): Promise<OpenAnswer> {
  return new Promise((resolve, reject) => {
    const asked = request(url, { method, headers, agent: false })
    asked.on('response', (response) => resolve(new OpenAnswer(asked, response)))
    asked.on('error', reject)
    asked.end()
  })
}

export async function pull(url: string, asking: Asking = {}): Promise<Reply> {
  const answer = await open(url, asking)
  return { status: answer.status, headers: answer.headers, ...(await answer.readAll()) }
}

/** The code of the first error in an error body of the specification. Throws for any other body. */
export function errorCodeOf(reply: Reply): string {
  const parsed = JSON.parse(reply.body.toString('utf8')) as { errors: { code: string }[] }
  const [first] = parsed.errors
  if (first === undefined) throw new Error(`no error in ${reply.body.toString('utf8')}`)
  return first.code
}

/** What a test compares of a pull at once: status, X-Cache, how it ended, and whose bytes came. */
export function outcomeOf(reply: Reply): readonly [number, string | undefined, Ending, string] {
  return [reply.status, reply.headers['x-cache'], reply.ending, digestOf(reply.body)]
}
