// Blobs of a registry elsewhere: their size, and one transfer of their bytes. Bytes are not verified here, lengths and ranges are.
import type { Readable } from 'node:stream'
import { type BlobDescription, type BlobTransfer, type TransferRange, UpstreamFailure } from '../content.ts'
import type { Digest } from '../oci/digest.ts'
import { mediaTypes } from '../oci/media-types.ts'
import type { RepositoryName } from '../oci/names.ts'
import { type ContentRange, parseContentRange } from '../oci/range.ts'
import type { Count } from '../telemetry/meters.ts'
import type { Answer } from './answers.ts'
import { codeOf, failureOfError } from './failures.ts'
import { isRedirect } from './redirects.ts'
import type { Session } from './session.ts'

/** A signed address of a CDN often allows GET only, so its length is asked for by the smallest GET. */
const firstByte: TransferRange = { start: 0, end: 0 }

export async function describeBlob(
  session: Session,
  repository: RepositoryName,
  digest: Digest,
  signal: AbortSignal,
): Promise<BlobDescription | undefined> {
  const answer = await session.ask({ method: 'HEAD', repository, path: `blobs/${digest}`, redirects: 'answer' }, signal)
  answer.discard()
  const { status, length, encoding } = answer
  if (status === 404) return undefined
  if (status === 200 && length !== undefined && encoding === undefined) return descriptionOf(digest, length)
  const isWorthAGet = status === 200 || isRedirect(status) || status === 400 || status === 403 || status === 405 || status === 501
  if (!isWorthAGet) throw answer.failure(session.clock.now())
  const size = await sizeByGet(session, repository, digest, signal)
  return size === undefined ? undefined : descriptionOf(digest, size)
}

function descriptionOf(digest: Digest, size: number): BlobDescription {
  return { descriptor: { mediaType: mediaTypes.blob, digest, size }, provenance: { verdict: 'miss' } }
}

async function sizeByGet(session: Session, repository: RepositoryName, digest: Digest, signal: AbortSignal): Promise<number | undefined> {
  const answer = await askForBytes(session, repository, digest, firstByte, signal)
  answer.discard()
  if (answer.status === 404) return undefined
  const size = sizeToldBy(answer)
  if (size !== undefined) return size
  const isFine = answer.status === 200 || answer.status === 206 || answer.status === 416
  throw isFine ? answer.broken('it does not tell the size of the blob') : answer.failure(session.clock.now())
}

function sizeToldBy(answer: Answer): number | undefined {
  const contentRange = answer.header('content-range')
  if (answer.encoding !== undefined) return undefined
  if (answer.status === 200) return answer.length
  if (answer.status === 206) return parseContentRange(contentRange)?.size
  // An empty blob has no first byte: `bytes */0`.
  const size = answer.status === 416 ? /^bytes\s+\*\/(\d{1,15})$/i.exec(contentRange?.trim() ?? '')?.[1] : undefined
  return size === undefined ? undefined : Number(size)
}

/** `undefined`: there is no such blob. Throws UpstreamFailure, or the signal's reason. */
export async function openBlob(
  session: Session,
  wanted: { readonly repository: RepositoryName; readonly digest: Digest; readonly range: TransferRange | undefined },
  signal: AbortSignal,
): Promise<BlobTransfer | undefined> {
  const range = wanted.range !== undefined && (wanted.range.start > 0 || wanted.range.end !== undefined) ? wanted.range : undefined
  const answer = await askForBytes(session, wanted.repository, wanted.digest, range, signal)
  if (answer.status === 404) {
    answer.discard()
    return undefined
  }
  if (answer.status === 200) return wholeTransfer(answer, session.facts?.blobBytes, signal)
  if (answer.status === 206 && range !== undefined) return partialTransfer(answer, range, session.facts?.blobBytes, signal)
  answer.discard()
  throw answer.status === 416 ? answer.broken('the range is beyond the blob') : answer.failure(session.clock.now())
}

async function askForBytes(
  session: Session,
  repository: RepositoryName,
  digest: Digest,
  range: TransferRange | undefined,
  signal: AbortSignal,
): Promise<Answer> {
  const headers = range === undefined ? {} : { range: `bytes=${range.start}-${range.end ?? ''}` }
  return session.ask({ method: 'GET', repository, path: `blobs/${digest}`, headers }, signal)
}

function wholeTransfer(answer: Answer, received: Count | undefined, signal: AbortSignal): BlobTransfer {
  // The length of encoded bytes says nothing of the blob.
  const size = answer.encoding === undefined ? answer.length : undefined
  return transferOf(size, 0, new TransferBody(answer, size, received, signal))
}

function partialTransfer(answer: Answer, asked: TransferRange, received: Count | undefined, signal: AbortSignal): BlobTransfer {
  const got = parseContentRange(answer.header('content-range'))
  if (got === undefined || answer.encoding !== undefined || !isWhatWasAsked(got, asked, answer.length)) {
    answer.discard()
    throw answer.broken(
      `it answered another range (${String(answer.header('content-range')).slice(0, 100)}) than ${asked.start}-${asked.end ?? ''}`,
    )
  }
  return transferOf(got.size, got.start, new TransferBody(answer, got.end - got.start + 1, received, signal))
}

function transferOf(size: number | undefined, start: number, body: TransferBody): BlobTransfer {
  return { size, start, body, close: () => body.close() }
}

/** An end before the one that was asked for is right only at the end of the blob. */
function isWhatWasAsked(got: ContentRange, asked: TransferRange, length: number | undefined): boolean {
  if (got.start !== asked.start || (got.size !== undefined && got.end >= got.size)) return false
  if (length !== undefined && length !== got.end - got.start + 1) return false
  if (asked.end !== undefined && got.end > asked.end) return false
  return got.end === asked.end || got.size === undefined || got.end === got.size - 1
}

/**
 * The bytes of one transfer, once. A generator would not do: leaving one that was never started runs none of its code, so the
 * connection would stay taken.
 */
class TransferBody implements AsyncIterableIterator<Uint8Array> {
  readonly #answer: Answer
  readonly #expected: number | undefined
  readonly #counted: Count | undefined
  readonly #signal: AbortSignal
  readonly #stream: Readable
  readonly #chunks: AsyncIterator<Uint8Array>
  #received = 0

  constructor(answer: Answer, expected: number | undefined, counted: Count | undefined, signal: AbortSignal) {
    this.#counted = counted
    this.#answer = answer
    this.#expected = expected
    this.#signal = signal
    this.#stream = answer.stream()
    this.#chunks = this.#stream[Symbol.asyncIterator]()
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async next(): Promise<IteratorResult<Uint8Array, undefined>> {
    try {
      this.#signal.throwIfAborted()
      const step = await this.#chunks.next()
      if (step.done === true) return this.#ended()
      this.#received += step.value.length
      if (this.#counted !== undefined) this.#counted.value += step.value.length
      if (this.#received <= (this.#expected ?? Number.POSITIVE_INFINITY)) return { done: false, value: step.value }
    } catch (error) {
      throw this.#failed(error)
    }
    throw this.#failed(this.#answer.broken('more bytes came than were announced'))
  }

  async return(): Promise<IteratorResult<Uint8Array, undefined>> {
    this.close()
    return { done: true, value: undefined }
  }

  close(): void {
    this.#stream.destroy()
  }

  #ended(): IteratorResult<Uint8Array, undefined> {
    const { doing } = this.#answer
    this.close()
    if (this.#expected !== undefined && this.#received < this.#expected) {
      throw new UpstreamFailure('unreachable', `${doing}: it ended after ${this.#received} of ${this.#expected} bytes`)
    }
    return { done: true, value: undefined }
  }

  #failed(error: unknown): unknown {
    this.close()
    if (this.#signal.aborted) return this.#signal.reason
    if (codeOf(error)?.startsWith('Z_') === true) return this.#answer.broken('its content coding is wrong', error)
    return failureOfError(error, this.#answer.doing)
  }
}
