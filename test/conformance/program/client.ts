// Sends requests in the form that the official conformance program's HTTP client gives them, and checks what comes back: one connection
// that is kept, bodies in chunks unless a length is told, queries sorted by name and encoded anew, gzip offered.
import assert from 'node:assert/strict'
import { Agent, request } from 'node:http'
import type { ClientHttp2Session } from 'node:http2'
import type { Answer } from '../../http/serving.ts'
import { askHttp2 } from '../../tls/asking.ts'

export interface Sending {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Buffer
  /** Whether Content-Length tells the body's length; else it comes in chunks, also when it is empty. */
  readonly tellsLength?: boolean
}

export interface Expected {
  /** One of these. */
  readonly status: readonly number[]
  /** The exact value; '' for any. */
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Buffer
}

export class Client implements Disposable {
  readonly #base: URL
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 })

  readonly #session: ClientHttp2Session | undefined

  /** `session`: all requests are streams of it, as that client has them where a server with TLS offers HTTP/2. */
  constructor(base: string, session?: ClientHttp2Session) {
    this.#base = new URL(base)
    this.#session = session
  }

  /** `path` may be a path, an address from a Location header, or either of them resolved. */
  at(path: string, from: URL = this.#base): URL {
    return new URL(path, from)
  }

  send(url: URL, sending: Sending = {}): Promise<Answer> {
    if (this.#session !== undefined) {
      // A length that is not told has no header at all.
      const { 'transfer-encoding': _, ...headers } = headersOf(sending)
      return askHttp2(this.#session, url.pathname + url.search, { ...sending, headers })
    }
    return new Promise((resolve, reject) => {
      const { hostname, port, pathname, search } = url
      const { method = 'GET', body } = sending
      const options = { hostname, port, path: pathname + search, method, headers: headersOf(sending), agent: this.#agent }
      const asked = request(options, (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('error', reject)
        response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) }))
      })
      asked.on('error', reject)
      asked.end(body)
    })
  }

  async expect(url: URL, sending: Sending, expected: Expected): Promise<Answer> {
    const answer = await this.send(url, sending)
    const what = `${sending.method ?? 'GET'} ${url.pathname.slice(0, 120)}`
    assert.ok(expected.status.includes(answer.status), `${what}: ${answer.status} ${answer.body.toString('utf8', 0, 300)}`)
    for (const [name, value] of Object.entries(expected.headers ?? {})) {
      const found = answer.headers[name]
      if (value === '') assert.notEqual(found ?? '', '', `${what}: ${name}`)
      else assert.equal(found, value, `${what}: ${name}`)
    }
    if (expected.body !== undefined) assert.ok(expected.body.equals(answer.body), `${what}: ${answer.body.length} bytes of another content`)
    return answer
  }

  [Symbol.dispose](): void {
    this.#agent.destroy()
  }
}

function headersOf({ method = 'GET', headers = {}, body, tellsLength = false }: Sending): Record<string, string> {
  const sent: Record<string, string> = { 'user-agent': 'Go-http-client/1.1', ...headers }
  if (method !== 'HEAD' && sent['range'] === undefined) sent['accept-encoding'] = 'gzip'
  // A body of no bytes whose length is 0 is sent in chunks, too: to that client, 0 is no length.
  if (body !== undefined && !(tellsLength && body.length > 0)) sent['transfer-encoding'] = 'chunked'
  else if (['POST', 'PUT', 'PATCH'].includes(method)) sent['content-length'] = String(body?.length ?? 0)
  return sent
}

/** All parameters of the address and these, sorted by name, as Go's url.Values.Encode writes them. */
export function withQuery(url: URL, parameters: Readonly<Record<string, string | readonly string[]>>): URL {
  const query = new URLSearchParams(url.search)
  for (const [name, value] of Object.entries(parameters)) {
    query.delete(name)
    for (const each of [value].flat()) query.append(name, each)
  }
  query.sort()
  const found = new URL(url)
  found.search = query.toString()
  return found
}

export function headerOf(answer: Answer, name: string): string {
  const value = answer.headers[name]
  assert.equal(typeof value, 'string', name)
  return value as string
}
