// One answer of a server: its headers, and its body in the ways that it may be taken. Whoever gets an Answer takes the body or discards it,
// else its connection is lost.
import { pipeline, type Readable } from 'node:stream'
import { promisify } from 'node:util'
import { brotliDecompress, createBrotliDecompress, createGunzip, createInflate, createZstdDecompress } from 'node:zlib'
import { gunzip, inflate, zstdDecompress } from 'node:zlib'
import type { Dispatcher } from 'undici'
import { UpstreamFailure } from '../content.ts'
import { failureOfError, failureOfStatus, printableUrl } from './failures.ts'

/** Bodies that nobody wants are read up to this size to keep their connection; beyond it a new connection is cheaper. */
const maxDiscardedBytes = 64 * 1024

type Body = Dispatcher.ResponseData['body']

const inMemory = {
  gzip: promisify(gunzip),
  'x-gzip': promisify(gunzip),
  deflate: promisify(inflate),
  br: promisify(brotliDecompress),
  zstd: promisify(zstdDecompress),
}
const streamed = {
  gzip: createGunzip,
  'x-gzip': createGunzip,
  deflate: createInflate,
  br: createBrotliDecompress,
  zstd: createZstdDecompress,
}
type Encoding = keyof typeof inMemory

export class Answer {
  readonly status: number
  /** What was asked, for messages: method and URL without secrets. */
  readonly doing: string
  readonly url: URL
  readonly #headers: Dispatcher.ResponseData['headers']
  readonly #body: Body

  constructor(method: string, url: URL, response: Dispatcher.ResponseData) {
    this.status = response.statusCode
    this.doing = `${method} ${printableUrl(url)}`
    this.url = url
    this.#headers = response.headers
    this.#body = response.body
    // A body that fails while nobody reads it must not end the process.
    response.body.on('error', () => {})
  }

  /** By lower-case name; several fields of one name are joined as RFC 9110, section 5.3 tells. */
  header(name: string): string | undefined {
    const value = this.#headers[name]
    return Array.isArray(value) ? value.join(', ') : value
  }

  /** Content-Length, where it is a number. It counts encoded bytes when `encoding` is set. */
  get length(): number | undefined {
    const text = this.header('content-length') ?? ''
    return /^\d{1,15}$/.test(text) ? Number(text) : undefined
  }

  /** Content-Encoding, unless it says that nothing was done. */
  get encoding(): string | undefined {
    const text = (this.header('content-encoding') ?? '').trim().toLowerCase()
    return text === '' || text === 'identity' ? undefined : text
  }

  failure(now: number): UpstreamFailure {
    return failureOfStatus(this.status, this.header('retry-after'), this.doing, now)
  }

  broken(what: string, cause?: unknown): UpstreamFailure {
    return new UpstreamFailure('broken', `${this.doing}: ${what}`, { status: this.status, cause })
  }

  /** Gives the connection back; never throws and does not wait. */
  discard(): void {
    if (this.#body.destroyed) return
    // `dump` without a signal can't reject.
    this.#body.dump({ limit: maxDiscardedBytes }).catch(() => {})
  }

  /** The whole body, decoded. Throws UpstreamFailure when it is larger than `maxBytes`, breaks off, or can't be decoded. */
  async read(maxBytes: number): Promise<Uint8Array> {
    const bytes = await this.#readEncoded(maxBytes)
    if (this.encoding === undefined) return bytes
    try {
      return await inMemory[this.#knownEncoding()](bytes, { maxOutputLength: maxBytes })
    } catch (error) {
      throw error instanceof UpstreamFailure ? error : this.broken('its content coding is wrong', error)
    }
  }

  async #readEncoded(maxBytes: number): Promise<Uint8Array> {
    const chunks: Uint8Array[] = []
    let size = 0
    try {
      for await (const chunk of this.#body) {
        size += chunk.length
        if (size > maxBytes) throw this.broken(`its body is larger than ${maxBytes} bytes`)
        chunks.push(chunk)
      }
    } catch (error) {
      throw failureOfError(error, this.doing)
    }
    return Buffer.concat(chunks, size)
  }

  /** The body as it comes, decoded. The caller destroys it. */
  stream(): Readable {
    if (this.encoding === undefined) return this.#body
    // Errors of either side reach the reader through the decoder.
    return pipeline(this.#body, streamed[this.#knownEncoding()](), () => {})
  }

  #knownEncoding(): Encoding {
    const { encoding } = this
    if (encoding !== undefined && Object.hasOwn(inMemory, encoding)) return encoding as Encoding
    this.discard()
    throw this.broken(`unknown content coding ${String(encoding).slice(0, 40)}`)
  }
}
