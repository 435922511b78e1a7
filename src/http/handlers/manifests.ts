// GET and HEAD of manifests: exactly the bytes and the type that are kept.
// Accept is not looked at. distribution refuses an OCI manifest to a client that does not name its type, and rewrites lists for
// such clients; here bytes never change, and a client that can't use the type says so itself, better than a 404 would.
import type { ContentSource, ManifestDescription } from '../../content.ts'
import { RegistryError } from '../../oci/errors.ts'
import { isDigestReference, type Reference, type RepositoryName } from '../../oci/names.ts'
import { etagOf, isNotModified } from '../conditional.ts'
import { answer, type Exchange, type Handler, pushProvenance } from '../exchange.ts'
import { existingReferenceIn, type Naming } from '../request-names.ts'

export function createManifestHandlers(content: ContentSource, naming: Naming): { readonly GET: Handler; readonly HEAD: Handler } {
  return {
    async GET(exchange, [rawName, rawReference]) {
      const { asked, repository } = naming(exchange, rawName)
      const reference = existingReferenceIn(rawReference)
      exchange.asksFor(repository, reference)
      const manifest = await content.findManifest(repository, reference, exchange.signal)
      if (manifest === undefined) throw unknownManifest(asked, reference)
      answerManifest(exchange, manifest, manifest.bytes)
    },
    async HEAD(exchange, [rawName, rawReference]) {
      const { asked, repository } = naming(exchange, rawName)
      const reference = existingReferenceIn(rawReference)
      exchange.asksFor(repository, reference)
      const description = await content.describeManifest(repository, reference, exchange.signal)
      if (description === undefined) throw unknownManifest(asked, reference)
      answerManifest(exchange, description, undefined)
    },
  }
}

export function answerManifest(exchange: Exchange, { descriptor, provenance }: ManifestDescription, bytes: Uint8Array | undefined): void {
  exchange.found(descriptor, provenance)
  const headers = ['Docker-Content-Digest', descriptor.digest, 'ETag', etagOf(descriptor.digest)]
  pushProvenance(headers, provenance, exchange)
  if (isNotModified(exchange.req.headers, descriptor.digest)) {
    answer(exchange, 304, headers, undefined)
    return
  }
  headers.push('Content-Type', descriptor.mediaType, 'Content-Length', String(bytes?.length ?? descriptor.size))
  answer(exchange, 200, headers, bytes)
}

export function unknownManifest(repository: RepositoryName, reference: Reference): RegistryError {
  const detail = isDigestReference(reference) ? `unknown manifest name=${repository} revision=${reference}` : `unknown tag=${reference}`
  return new RegistryError('MANIFEST_UNKNOWN', 'manifest unknown', { detail })
}
