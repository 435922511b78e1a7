// Our HTTP side on a free port in front of content that a test makes up, and clients that see every byte and how it ended.
import { connect, type Socket } from 'node:net'
import { request } from 'node:http'
import type { BlobHandle, ContentSource, Manifest } from '../../src/content.ts'
import { type AppOptions, createApp } from '../../src/http/app.ts'
import { LiveRequests } from '../../src/http/middleware/cancellation.ts'
import type { ListenTarget } from '../../src/http/listening.ts'
import { type OpenServer, openServer, type ServerOptions } from '../../src/http/server.ts'
import { digestOf } from '../../src/oci/digest.ts'
import type { RepositoryName } from '../../src/oci/names.ts'
import type { ByteRange } from '../../src/oci/range.ts'

export interface LogLine {
  readonly level: string
  readonly fields: Record<string, unknown>
  readonly message: string
}

export interface Serving extends AsyncDisposable {
  readonly server: OpenServer
  readonly port: number
  readonly requests: LiveRequests
  readonly log: LogLine[]
}

export async function serve(
  options: Partial<AppOptions> = {},
  listen: ListenTarget = { host: '127.0.0.1', port: 0 },
  more: Partial<ServerOptions> = {},
): Promise<Serving> {
  const requests = new LiveRequests()
  const log: LogLine[] = []
  const add = (level: string) => (fields: object, message: string) => void log.push({ level, fields: { ...fields }, message })
  const lines = { debug: add('debug'), info: add('info'), warn: add('warn'), error: add('error') }
  const app = createApp({ content: contentOf({}), log: lines, requests, ...options })
  const server = await openServer({ handle: app.callback(), requests, log: lines, listen, ...more })
  return { server, port: server.port ?? 0, requests, log, [Symbol.asyncDispose]: () => server.drain(0) }
}

/** Content that fails the request for every question that the test does not expect. */
export function contentOf(answers: Partial<ContentSource>): ContentSource {
  const unexpected = (question: string) => () => Promise.reject(new Error(`${question} was not expected`))
  return {
    describeManifest: unexpected('describeManifest'),
    findManifest: unexpected('findManifest'),
    describeBlob: unexpected('describeBlob'),
    findBlob: unexpected('findBlob'),
    listTags: unexpected('listTags'),
    listReferrers: unexpected('listReferrers'),
    ...answers,
  }
}

export function manifestOf(text: string, mediaType = 'application/vnd.oci.image.manifest.v1+json'): Manifest {
  const bytes = Buffer.from(text)
  return { descriptor: { mediaType, digest: digestOf(bytes), size: bytes.length }, provenance: { verdict: 'hit' }, bytes }
}

/** Gives its chunks from one buffer that is used again, as a store does. */
export function blobOf(bytes: Uint8Array, chunkBytes = 64 * 1024, more: Partial<BlobHandle> = {}): BlobHandle {
  return {
    descriptor: { mediaType: 'application/octet-stream', digest: digestOf(bytes), size: bytes.length },
    provenance: { verdict: 'hit' },
    async *open(range: ByteRange | undefined) {
      const buffer = Buffer.alloc(chunkBytes)
      const end = range === undefined ? bytes.length : range.end + 1
      for (let at = range?.start ?? 0; at < end; at += chunkBytes) {
        const chunk = bytes.subarray(at, Math.min(end, at + chunkBytes))
        buffer.set(chunk)
        yield buffer.subarray(0, chunk.length)
        buffer.fill(0)
      }
    },
    ...more,
  }
}

/** Bytes that differ everywhere, the same in each run. */
export function seededBytes(length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length)
  let state = 0x9e3779b9
  for (let i = 0; i < length; i += 1) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    bytes[i] = state >>> 24
  }
  return bytes
}

export const nginx = 'library/nginx' as RepositoryName

export interface Answer {
  readonly status: number
  readonly headers: Record<string, string | string[] | undefined>
  readonly body: Buffer
}

export interface Asking {
  readonly method?: string
  readonly headers?: Record<string, string>
  readonly body?: string | Buffer
}

/** One request on its own connection, the path sent as it is. Rejects when the answer is cut. */
export function ask(port: number, path: string, { method = 'GET', headers = {}, body }: Asking = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asked = request({ host: '127.0.0.1', port, path, method, headers, agent: false }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', reject)
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) }))
    })
    asked.on('error', reject)
    asked.end(body)
  })
}

export interface RawAnswer {
  readonly bytes: Buffer
  readonly ending: 'fin' | 'reset'
}

/** Sends bytes as they are and reads until the server ends the connection. */
export function raw(port: number, text: string | Buffer, { end = false } = {}): Promise<RawAnswer> {
  const socket = connect(port, '127.0.0.1')
  socket.write(text)
  if (end) socket.end()
  return endOf(socket)
}

export function endOf(socket: Socket): Promise<RawAnswer> {
  const chunks: Buffer[] = []
  return new Promise((resolve) => {
    socket.on('data', (chunk: Buffer) => chunks.push(chunk))
    socket.on('end', () => resolve({ bytes: Buffer.concat(chunks), ending: 'fin' }))
    socket.on('error', () => resolve({ bytes: Buffer.concat(chunks), ending: 'reset' }))
  })
}

export function statusLineOf({ bytes }: RawAnswer): string {
  return bytes.toString('latin1').split('\r\n')[0] ?? ''
}

export function bodyOf({ bytes }: RawAnswer): Buffer {
  return bytes.subarray(bytes.indexOf('\r\n\r\n') + 4)
}

/** Resolves when `fact` holds; asks again after each turn of the event loop. */
export async function until(what: string, fact: () => boolean, withinMs = 5000): Promise<void> {
  const deadline = performance.now() + withinMs
  while (!fact()) {
    if (performance.now() > deadline) throw new Error(`did not happen: ${what}`)
    await new Promise((resolve) => setImmediate(resolve))
  }
}
