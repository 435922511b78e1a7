// An HTTP answer as a value: handlers make it, faults alter it, and only then does it go out.
import type { BlobSource } from '../images.ts'
import type { Exchange } from './exchange.ts'

/** A body of known size, readable from any offset. */
export type Body = Pick<BlobSource, 'size' | 'read'>

export interface Answer {
  readonly status: number
  /** Without Content-Length, which follows from the body. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: Body
  /** Send no Content-Length: chunked in HTTP/1.1. */
  readonly isChunked?: boolean
}

export function bodyOf(content: string | Uint8Array): Body {
  const bytes = Buffer.from(content)
  return { size: bytes.length, read: (start, end) => [bytes.subarray(start, end)] }
}

/** All bytes of a body. */
export async function bytesOf(body: Body): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of body.read(0, body.size)) chunks.push(chunk)
  return Buffer.concat(chunks)
}

/** The part of a body from `start` up to, not including, `end`. */
export function sliceOf(body: Body, start: number, end: number): Body {
  return { size: end - start, read: (from, to) => body.read(start + from, start + to) }
}

export function answerOf(status: number, headers: Record<string, string>, content: string | Uint8Array = ''): Answer {
  return { status, headers, body: bodyOf(content) }
}

export function jsonAnswer(status: number, content: unknown, headers: Record<string, string> = {}): Answer {
  return answerOf(status, { 'Content-Type': 'application/json', ...headers }, `${JSON.stringify(content)}\n`)
}

export const apiVersion = { 'Docker-Distribution-Api-Version': 'registry/2.0' }

/** The registry's error shape. */
export function errorAnswer(status: number, code: string, message: string, detail?: unknown): Answer {
  const error = detail === undefined ? { code, message } : { code, message, detail }
  return jsonAnswer(status, { errors: [error] }, { ...apiVersion, 'Strict-Transport-Security': 'max-age=31536000' })
}

/** The S3-like error shape of the CDNs. */
export function xmlAnswer(status: number, code: string, message: string, headers: Record<string, string> = {}): Answer {
  const body = `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>${message}</Message></Error>`
  return answerOf(status, { 'Content-Type': 'application/xml', ...headers }, body)
}

export type RangeWish = { readonly start: number; readonly end: number } | 'whole' | 'unsatisfiable'

function suffixOf(length: number, size: number): RangeWish {
  return length === 0 || size === 0 ? 'unsatisfiable' : { start: Math.max(0, size - length), end: size }
}

/** What a Range header asks of `size` bytes, as S3 reads it: one range, anything else means the whole. `end` is exclusive. */
export function rangeOf(header: string | undefined, size: number): RangeWish {
  const suffix = /^bytes=-(\d+)$/.exec(header ?? '')
  if (suffix !== null) return suffixOf(Number(suffix[1]), size)
  const match = /^bytes=(\d+)-(\d*)$/.exec(header ?? '')
  if (match === null) return 'whole'
  const start = Number(match[1])
  const last = match[2] === '' ? size - 1 : Math.min(Number(match[2]), size - 1)
  if (start >= size) return 'unsatisfiable'
  return last < start ? 'whole' : { start, end: last + 1 }
}

/** Bytes with Range and If-Range honoured. */
export function rangedAnswer(exchange: Exchange, body: Body, headers: Record<string, string>): Answer {
  const condition = exchange.headers['if-range']
  const isStale = condition !== undefined && condition !== headers['ETag'] && condition !== headers['Last-Modified']
  const wish = rangeOf(isStale ? undefined : exchange.range, body.size)
  const all = { 'Accept-Ranges': 'bytes', ...headers }
  if (wish === 'whole') return { status: 200, headers: all, body }
  if (wish === 'unsatisfiable') {
    return xmlAnswer(416, 'InvalidRange', 'The requested range is not satisfiable', { 'Content-Range': `bytes */${body.size}` })
  }
  const contentRange = `bytes ${wish.start}-${wish.end - 1}/${body.size}`
  return { status: 206, headers: { ...all, 'Content-Range': contentRange }, body: sliceOf(body, wish.start, wish.end) }
}
