// What all requests to one upload share: which upload they mean, whether their address may be believed, and how its state is told.
import type { UploadState } from '../content-sink.ts'
import type { Digest } from '../oci/digest.ts'
import { isRegistryError, RegistryError } from '../oci/errors.ts'
import type { RepositoryName } from '../oci/names.ts'
import { parseChunkRange } from '../oci/range.ts'
import { answerError } from './error-response.ts'
import { answer, type Exchange, type Handler } from './exchange.ts'
import type { WriteParts } from './own-content.ts'
import { bodyOf, hasBody, lengthOf } from './request-body.ts'
import type { AskedRepository } from './request-names.ts'
import { openTicket, sealTicket, type TicketSecret, type UploadTicket } from './upload-ticket.ts'

export interface Session extends AskedRepository {
  readonly upload: UploadState
  /** `undefined`: the client dropped it from the address, as the distribution-spec does not know it. */
  readonly ticket: UploadTicket | undefined
}

/** distribution and its purger know uploads by RFC 4122 names; nothing else is looked for. */
const idPattern = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/** Throws RegistryError BLOB_UPLOAD_UNKNOWN, and BLOB_UPLOAD_INVALID for an address that was not made for this upload. */
export async function sessionOf(parts: WriteParts, exchange: Exchange, [rawName, id]: readonly string[]): Promise<Session> {
  const names = parts.naming(exchange, rawName)
  const ticket = ticketIn(exchange, parts.secret)
  if (id === undefined || !idPattern.test(id)) throw unknownUpload()
  if (ticket !== undefined && (ticket.repository !== names.repository || ticket.id !== id)) throw invalidUpload()
  const { method } = exchange.req
  const goesOn = method === 'PUT' || (method === 'PATCH' && hasBody(exchange.req))
  const upload = await parts.content.findUpload(names.repository, id, goesOn ? ticket?.offset : undefined)
  if (upload === undefined) throw unknownUpload()
  return { ...names, upload, ticket }
}

function ticketIn(exchange: Exchange, secret: TicketSecret): UploadTicket | undefined {
  const state = new URLSearchParams(exchange.query).get('_state')
  if (state === null || state === '') return undefined
  for (const each of secret.all) {
    const ticket = openTicket(each, state)
    if (ticket !== undefined) return ticket
  }
  throw invalidUpload()
}

/** Adds the request's body, if it has one. Throws RegistryError RANGE_INVALID and SIZE_INVALID; the upload stays. */
export async function receiveChunk(parts: WriteParts, exchange: Exchange, session: Session): Promise<UploadState> {
  const { repository, upload, ticket } = session
  if (ticket !== undefined && ticket.offset !== upload.size)
    throw outOfOrder(`the upload has ${upload.size} bytes, its address says ${ticket.offset}`)
  const length = chunkLengthIn(exchange, upload.size)
  if (!hasBody(exchange.req)) return upload
  const body = length === undefined ? bodyOf(exchange) : exactly(bodyOf(exchange), length)
  return parts.content.appendToUpload(repository, upload.id, { offset: upload.size, body, givesChunks: true }, exchange.signal)
}

/** distribution-spec, "Pushing a blob in chunks": a chunk says where it lies by Content-Range. `undefined`: as long as the body. */
function chunkLengthIn({ req }: Exchange, size: number): number | undefined {
  const header = req.headers['content-range']
  // An empty last chunk has no range that could be written.
  if (header === undefined || header === '' || !hasBody(req)) return undefined
  const range = parseChunkRange(header)
  if (range === undefined) throw outOfOrder('Content-Range is not <start>-<end>')
  if (range.start !== size) throw outOfOrder(`the upload has ${size} bytes, the chunk begins at ${range.start}`)
  const length = range.end - range.start + 1
  if ((lengthOf(req) ?? length) !== length) throw wrongLength(length)
  return length
}

async function* exactly(body: AsyncIterable<Uint8Array>, length: number): AsyncGenerator<Uint8Array, void, void> {
  let left = length
  for await (const bytes of body) {
    if (bytes.length > left) throw wrongLength(length)
    left -= bytes.length
    yield bytes
  }
  if (left > 0) throw wrongLength(length)
}

/** Adds to a refused chunk what the client needs to go on: where the upload stands (distribution-spec, "Pushing a blob in chunks"). */
export function withTrueState(parts: WriteParts, handler: Handler): Handler {
  return async (exchange, captures) => {
    try {
      await handler(exchange, captures)
    } catch (error) {
      const [rawName, id = ''] = captures
      if (!isRegistryError(error, 'RANGE_INVALID')) throw error
      const names = parts.naming(exchange, rawName)
      const upload = await parts.content.findUpload(names.repository, id)
      answerError(exchange, error, upload === undefined ? [] : stateHeaders(parts, exchange, { ...names, upload }))
    }
  }
}

/** `more` are further headers. */
export function answerUpload(
  parts: WriteParts,
  exchange: Exchange,
  status: 202 | 204,
  session: Omit<Session, 'ticket'>,
  more: readonly string[] = [],
): void {
  const headers = [...stateHeaders(parts, exchange, session), ...more]
  if (status !== 204) headers.push('Content-Length', '0')
  answer(exchange, status, headers, undefined)
}

function stateHeaders(
  { locate, secret }: WriteParts,
  exchange: Exchange,
  { asked, repository, upload }: Omit<Session, 'ticket'>,
): string[] {
  const { id, size: offset, startedAt } = upload
  const state = encodeURIComponent(sealTicket(secret.current, { repository, id, offset, startedAt }))
  const location = locate(exchange, `/v2/${asked}/blobs/uploads/${id}?_state=${state}`)
  // As in distribution: of nothing and of one byte alike.
  const range = `0-${Math.max(0, offset - 1)}`
  return ['Location', location, 'Range', range, 'Docker-Upload-UUID', id]
}

export function answerCreatedBlob({ locate }: WriteParts, exchange: Exchange, asked: RepositoryName, digest: Digest): void {
  const location = locate(exchange, `/v2/${asked}/blobs/${digest}`)
  answer(exchange, 201, ['Location', location, 'Docker-Content-Digest', digest, 'Content-Length', '0'], undefined)
}

export function unknownUpload(): RegistryError {
  return new RegistryError('BLOB_UPLOAD_UNKNOWN', 'blob upload unknown to registry')
}

function invalidUpload(): RegistryError {
  return new RegistryError('BLOB_UPLOAD_INVALID', 'blob upload invalid', { detail: 'the address was not made for this upload' })
}

function outOfOrder(detail: string): RegistryError {
  return new RegistryError('RANGE_INVALID', 'invalid content range', { detail })
}

function wrongLength(length: number): RegistryError {
  return new RegistryError('SIZE_INVALID', 'provided length did not match content length', {
    detail: `Content-Range says ${length} bytes, the body has another length`,
  })
}
