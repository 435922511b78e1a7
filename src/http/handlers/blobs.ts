// GET and HEAD of blobs, whole or one range (RFC 9110, section 14).
import type { BlobDescription, BlobHandle, ContentSource } from '../../content.ts'
import type { Digest } from '../../oci/digest.ts'
import { RegistryError } from '../../oci/errors.ts'
import { mediaTypes } from '../../oci/media-types.ts'
import type { RepositoryName } from '../../oci/names.ts'
import { formatContentRange, parseRange } from '../../oci/range.ts'
import { accelTarget } from '../accel.ts'
import { etagOf, isNotModified, isRangeValid } from '../conditional.ts'
import { answerError } from '../error-response.ts'
import { answer, type Exchange, type Handler, pushProvenance } from '../exchange.ts'
import { digestIn, type Naming } from '../request-names.ts'
import { type BlobAnswer, type SendBlobOptions, sendBlob, sendElsewhere } from '../send-blob.ts'

export function createBlobHandlers(
  content: Pick<ContentSource, 'findBlob' | 'describeBlob'>,
  naming: Naming,
  options: SendBlobOptions,
): { readonly GET: Handler; readonly HEAD: Handler } {
  return {
    async GET(exchange, [rawName, rawDigest]) {
      const { asked, repository } = naming(exchange, rawName)
      const digest = digestIn(rawDigest)
      exchange.asksFor(repository, digest)
      const handle = await content.findBlob(repository, digest, exchange.signal)
      if (handle === undefined) throw unknownBlob(asked, digest)
      const plan = planOf(exchange, handle)
      if (plan === 'unsatisfiable') answerUnsatisfiable(exchange, handle)
      else if (plan.status === 304) answer(exchange, 304, plan.headers, undefined)
      else if (handle.redirect !== undefined) sendElsewhere(exchange, handle, await handle.redirect('GET'))
      else if (!isLeftToProxy(exchange, handle, plan, options)) await sendBlob(exchange, handle, plan, options)
    },
    async HEAD(exchange, [rawName, rawDigest]) {
      const { asked, repository } = naming(exchange, rawName)
      const digest = digestIn(rawDigest)
      exchange.asksFor(repository, digest)
      const description = await content.describeBlob(repository, digest, exchange.signal)
      if (description === undefined) throw unknownBlob(asked, digest)
      const plan = planOf(exchange, description)
      if (plan === 'unsatisfiable') answerUnsatisfiable(exchange, description)
      else if (plan.status !== 304 && description.redirect !== undefined) {
        sendElsewhere(exchange, description, await description.redirect('HEAD'))
      } else answer(exchange, plan.status, plan.headers, undefined)
    },
  }
}

/** Answers with the file's address in place of its bytes, where a proxy sends it. */
function isLeftToProxy(exchange: Exchange, handle: BlobHandle, plan: BlobAnswer, { accel }: SendBlobOptions): boolean {
  const target = accel === undefined ? undefined : accelTarget(exchange, handle, accel)
  if (target === undefined) return false
  // The proxy sees the same Range, and puts status, length and range into the answer itself.
  const headers = plan.headers.filter((_, at, all) => !/^content-(?:length|range)$/i.test(all[at - (at % 2)] ?? ''))
  answer(exchange, 200, [...headers, 'Content-Length', '0', 'X-Accel-Redirect', target], undefined)
  return true
}

function planOf(exchange: Exchange, { descriptor, provenance }: BlobDescription): BlobAnswer | 'unsatisfiable' {
  const { headers: asked } = exchange.req
  exchange.found(descriptor, provenance)
  const { digest, size } = descriptor
  // What somebody got by his name is nobody else's: a cache between may not give it out (RFC 9111, section 5.2.2.7).
  const caching = exchange.user === undefined ? 'max-age=31536000' : 'private, max-age=31536000'
  const headers = ['Docker-Content-Digest', digest, 'ETag', etagOf(digest), 'Cache-Control', caching, 'Accept-Ranges', 'bytes']
  pushProvenance(headers, provenance, exchange)
  if (isNotModified(asked, digest)) return { status: 304, headers, length: 0, range: undefined }
  // An empty blob has no byte that a range could name, and clients that always ask by range must get it nevertheless.
  const range = size > 0 && isRangeValid(asked, digest) ? parseRange(asked.range, size) : undefined
  if (range === 'unsatisfiable') return range
  const length = range === undefined ? size : range.end - range.start + 1
  headers.push('Content-Type', mediaTypes.blob, 'Content-Length', String(length))
  if (range === undefined) return { status: 200, headers, length, range }
  headers.push('Content-Range', formatContentRange(range, size))
  return { status: 206, headers, length, range }
}

function answerUnsatisfiable(exchange: Exchange, { descriptor }: BlobDescription): void {
  const error = new RegistryError('RANGE_INVALID', 'invalid content range', { detail: 'the range lies outside of the blob' })
  answerError(exchange, error, ['Content-Range', `bytes */${descriptor.size}`])
}

export function unknownBlob(repository: RepositoryName, digest: Digest): RegistryError {
  return new RegistryError('BLOB_UNKNOWN', 'blob unknown to registry', { detail: { name: repository, digest } })
}
