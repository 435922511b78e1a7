// PUT and DELETE of manifests (distribution-spec, "Pushing Manifests", "Deleting tags", "Deleting Manifests").
import type { Digest } from '../../oci/digest.ts'
import { maxManifestBytes } from '../../oci/manifest.ts'
import { isDigestReference, parseTag, type Tag } from '../../oci/names.ts'
import { answer, type Handler } from '../exchange.ts'
import type { WriteParts } from '../own-content.ts'
import { readBody } from '../request-body.ts'
import { existingReferenceIn, referenceIn } from '../request-names.ts'
import { unknownManifest } from './manifests.ts'

export function createManifestPush({ content, naming, locate }: WriteParts): Handler {
  return async (exchange, [rawName, rawReference]) => {
    const { asked, repository } = naming(exchange, rawName)
    const reference = referenceIn(rawReference)
    const target = isDigestReference(reference) ? { expected: reference, tags: tagsIn(exchange.query) } : { tags: [reference] }
    const bytes = await readBody(exchange, maxManifestBytes)
    const { descriptor, subject } = await content.pushManifest(
      repository,
      { bytes, mediaType: exchange.req.headers['content-type'] },
      target,
    )
    const { digest } = descriptor
    exchange.kept(repository, reference, descriptor)
    const headers = [
      'Location',
      locate(exchange, `/v2/${asked}/manifests/${digest}`),
      'Docker-Content-Digest',
      digest,
      'Content-Length',
      '0',
    ]
    if (subject !== undefined) headers.push('OCI-Subject', subject)
    if (isDigestReference(reference)) headers.push(...target.tags.flatMap((tag) => ['OCI-Tag', tag]))
    answer(exchange, 201, headers, undefined)
  }
}

/** distribution-spec, "Pushing Manifests": with a digest, `?tag=` names the tags to set, each at most once. Throws RegistryError TAG_INVALID. */
function tagsIn(query: string): readonly Tag[] {
  return query === '' ? [] : [...new Set(new URLSearchParams(query).getAll('tag'))].map(parseTag)
}

/** By digest the manifest with its tags, by tag the tag only. */
export function createManifestDelete({ content, naming }: WriteParts): Handler {
  return async (exchange, [rawName, rawReference]) => {
    const { asked, repository } = naming(exchange, rawName)
    const reference = existingReferenceIn(rawReference)
    exchange.asksFor(repository, reference)
    if (isDigestReference(reference)) exchange.removedTags = await content.removeManifest(repository, reference satisfies Digest)
    else if (await content.removeTag(repository, reference)) exchange.removedTags = []
    if (exchange.removedTags === undefined) throw unknownManifest(asked, reference)
    answer(exchange, 202, ['Content-Length', '0'], undefined)
  }
}
