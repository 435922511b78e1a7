// The Range header of downloads (RFC 9110, section 14). One range is honoured; several are answered in full, as RFC 9110 allows.

/** Both ends inclusive, both inside the blob. */
export interface ByteRange {
  readonly start: number
  readonly end: number
}

const pattern = /^bytes=\s*(\d*)\s*-\s*(\d*)\s*$/i

/**
 * `undefined`: no (understandable, single) range, so the whole is meant. `'unsatisfiable'`: 416.
 * An end beyond the last byte is clamped: regclient asks for one byte too many. One before the start may be ignored or rejected
 * (RFC 9110, section 14.2); rejected, as by distribution, it tells the client of its mistake.
 */
export function parseRange(header: string | undefined, size: number): ByteRange | 'unsatisfiable' | undefined {
  const match = header === undefined ? null : pattern.exec(header)
  if (match === null) return undefined
  const [first, last] = [match[1] ?? '', match[2] ?? '']
  if (first === '') return last === '' ? undefined : suffixRange(Number(last), size)
  const start = Number(first)
  const end = last === '' ? size - 1 : Math.min(Number(last), size - 1)
  if (last !== '' && Number(last) < start) return 'unsatisfiable'
  return start >= size ? 'unsatisfiable' : { start, end }
}

function suffixRange(length: number, size: number): ByteRange | 'unsatisfiable' {
  if (length === 0 || size === 0) return 'unsatisfiable'
  return { start: Math.max(0, size - length), end: size - 1 }
}

export interface ContentRange {
  readonly start: number
  readonly end: number
  /** `undefined` for `*`. */
  readonly size: number | undefined
}

/** `bytes 0-9/100` of a 206; `undefined` when it can't be understood. */
export function parseContentRange(header: string | undefined): ContentRange | undefined {
  const match = header === undefined ? null : /^bytes\s+(\d+)-(\d+)\/(\d+|\*)$/i.exec(header.trim())
  if (match === null) return undefined
  const [start, end] = [Number(match[1]), Number(match[2])]
  if (end < start) return undefined
  return { start, end, size: match[3] === '*' ? undefined : Number(match[3]) }
}

export function formatContentRange(range: ByteRange, size: number): string {
  return `bytes ${range.start}-${range.end}/${size}`
}

/**
 * Content-Range of a chunk of an upload. distribution-spec, "Pushing a blob in chunks": `0-9`, both ends inclusive, without a unit;
 * `bytes 0-9/100` is what RFC 9110 would have, and means the same. `undefined` when it can't be understood.
 */
export function parseChunkRange(header: string): ByteRange | undefined {
  const match = /^(?:bytes[ =])?\s*(\d{1,15})-(\d{1,15})(?:\/(?:\d+|\*))?$/i.exec(header.trim())
  if (match === null) return undefined
  const [start, end] = [Number(match[1]), Number(match[2])]
  return end < start ? undefined : { start, end }
}
