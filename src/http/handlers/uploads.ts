// Uploads of blobs (distribution-spec, "Pushing Blobs"): begun, continued, asked about, finished, given up. All that there is of an
// upload is in the store and in its address, so any replica can answer each of its requests.
import type { UploadState } from '../../content-sink.ts'
import type { Descriptor } from '../../oci/descriptor.ts'
import { algorithmOf, type Digest, type DigestAlgorithm, digestOf, isDigest, isDigestAlgorithm, parseDigest } from '../../oci/digest.ts'
import { isRegistryError, RegistryError } from '../../oci/errors.ts'
import type { RepositoryName } from '../../oci/names.ts'
import { answer, type Exchange, type Handler } from '../exchange.ts'
import type { WriteParts } from '../own-content.ts'
import { bodyOf, hasBody } from '../request-body.ts'
import { answerCreatedBlob, answerUpload, receiveChunk, sessionOf, unknownUpload, withTrueState } from '../upload-session.ts'

export interface UploadHandlers {
  readonly begin: Handler
  readonly append: Handler
  readonly finish: Handler
  readonly status: Handler
  readonly cancel: Handler
}

/** OCI-Chunk-Min-Length: chunks of any size are taken. */
const minChunkBytes = 1

export function createUploadHandlers(parts: WriteParts): UploadHandlers {
  const { content } = parts
  return {
    async begin(exchange, [rawName]) {
      const { asked, repository } = parts.naming(exchange, rawName)
      const query = new URLSearchParams(exchange.query)
      const mounted = await mount(parts, exchange, { repository, query })
      if (mounted !== undefined) {
        exchange.kept(repository, mounted.digest, mounted)
        return answerCreatedBlob(parts, exchange, asked, mounted.digest)
      }
      const digest = wholeBlobIn(exchange, query)
      const algorithm = digest === undefined ? algorithmIn(query) : algorithmOf(digest)
      const upload = await content.beginUpload(repository, algorithm)
      if (digest === undefined) {
        answerUpload(parts, exchange, 202, { asked, repository, upload }, ['OCI-Chunk-Min-Length', String(minChunkBytes)])
        return
      }
      exchange.kept(repository, digest, await takeWhole(parts, exchange, { repository, upload, digest }))
      answerCreatedBlob(parts, exchange, asked, digest)
    },

    append: withTrueState(parts, async (exchange, captures) => {
      const session = await sessionOf(parts, exchange, captures)
      const upload = await receiveChunk(parts, exchange, session)
      answerUpload(parts, exchange, 202, { ...session, upload })
    }),

    finish: withTrueState(parts, async (exchange, captures) => {
      const digest = digestParameterIn(exchange)
      const session = await sessionOf(parts, exchange, captures)
      await receiveChunk(parts, exchange, session)
      const descriptor = await content.finishUpload(session.repository, session.upload.id, digest)
      exchange.kept(session.repository, digest, descriptor)
      answerCreatedBlob(parts, exchange, session.asked, descriptor.digest)
    }),

    async status(exchange, captures) {
      answerUpload(parts, exchange, 204, await sessionOf(parts, exchange, captures))
    },

    async cancel(exchange, captures) {
      // An old address is good enough to give up with: what is refused here stays behind as rubbish.
      const { repository, upload } = await sessionOf(parts, exchange, captures)
      if (!(await content.cancelUpload(repository, upload.id))) throw unknownUpload()
      answer(exchange, 204, ['Docker-Upload-UUID', upload.id], undefined)
    },
  }
}

/** `undefined`: nothing was asked to be mounted, or it can't be, so that the client has to send the bytes. */
async function mount(
  { content, anyNaming, isServed }: WriteParts,
  exchange: Exchange,
  { repository, query }: { readonly repository: RepositoryName; readonly query: URLSearchParams },
): Promise<Descriptor | undefined> {
  const [digest, from] = [query.get('mount') ?? '', query.get('from') ?? '']
  if (!isDigest(digest)) return undefined
  try {
    const source = from === '' ? undefined : anyNaming(exchange, from).repository
    if (source !== undefined && !isServed(source)) return undefined
    const mounted = await content.mountBlob(repository, digest, source)
    if (mounted !== undefined) exchange.mountedFrom = source ?? repository
    return mounted
  } catch (error) {
    // distribution-spec, "Mounting a blob from another repository": what can't be mounted becomes an upload.
    if (isRegistryError(error, 'NAME_INVALID') || isRegistryError(error, 'NAME_UNKNOWN')) return undefined
    throw error
  }
}

/** `POST ?digest=` with the bytes in the body. Without a body it begins an upload, as in distribution, unless the blob is empty. */
function wholeBlobIn({ req }: Exchange, query: URLSearchParams): Digest | undefined {
  const text = query.get('digest') ?? ''
  if (text === '') return undefined
  const digest = parseDigest(text)
  return hasBody(req) || digest === digestOf(new Uint8Array(), algorithmOf(digest)) ? digest : undefined
}

/** Throws RegistryError DIGEST_INVALID for an algorithm that can't be verified here. */
function algorithmIn(query: URLSearchParams): DigestAlgorithm | undefined {
  const text = query.get('digest-algorithm') ?? ''
  if (text === '') return undefined
  if (isDigestAlgorithm(text)) return text
  throw new RegistryError('DIGEST_INVALID', 'unsupported digest algorithm', { detail: text.slice(0, 50) })
}

/** Throws RegistryError DIGEST_INVALID. */
function digestParameterIn(exchange: Exchange): Digest {
  const text = new URLSearchParams(exchange.query).get('digest') ?? ''
  if (text !== '') return parseDigest(text)
  throw new RegistryError('DIGEST_INVALID', 'provided digest did not match uploaded content', { detail: 'digest missing' })
}

/** Nobody is told the address of this upload, so what is left of it on failure goes at once. */
async function takeWhole(
  { content }: WriteParts,
  exchange: Exchange,
  { repository, upload, digest }: { readonly repository: RepositoryName; readonly upload: UploadState; readonly digest: Digest },
): Promise<Descriptor> {
  try {
    if (hasBody(exchange.req)) {
      const chunk = { offset: 0, body: bodyOf(exchange), givesChunks: true }
      await content.appendToUpload(repository, upload.id, chunk, exchange.signal)
    }
    return await content.finishUpload(repository, upload.id, digest)
  } catch (error) {
    await content.cancelUpload(repository, upload.id)
    throw error
  }
}
