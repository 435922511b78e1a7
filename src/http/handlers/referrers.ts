// What refers to a manifest (distribution-spec, "Listing Referrers"). A 404 sends clients to the fallback tag, so it is only given
// where upstream gives it; of what is our own, an empty list says that there are none.
import type { ContentSource, Referrers } from '../../content.ts'
import { RegistryError } from '../../oci/errors.ts'
import { maxManifestBytes } from '../../oci/manifest.ts'
import { mediaTypes } from '../../oci/media-types.ts'
import type { RepositoryName } from '../../oci/names.ts'
import { referrersPage } from '../../oci/referrers-page.ts'
import { answer, type Handler, pushProvenance } from '../exchange.ts'
import { digestIn, type Naming } from '../request-names.ts'

const none = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests: [] }))

export function createReferrersHandler(content: ContentSource, naming: Naming, isOwn: (repository: RepositoryName) => boolean): Handler {
  return async (exchange, [rawName, rawDigest]) => {
    const { asked, repository } = naming(exchange, rawName)
    const subject = digestIn(rawDigest)
    const query = new URLSearchParams(exchange.query)
    const artifactType = query.get('artifactType') ?? undefined
    const referrers =
      (await content.listReferrers(repository, subject, artifactType, exchange.signal)) ??
      (isOwn(repository) ? noneOf(artifactType) : undefined)
    if (referrers === undefined) {
      throw new RegistryError('MANIFEST_UNKNOWN', 'manifest unknown', {
        detail: `no referrers known name=${asked} subject=${subject}`,
      })
    }
    const { bytes, next } = referrersPage(referrers.bytes, query.get('last') ?? undefined, maxManifestBytes)
    const headers = ['Content-Type', mediaTypes.ociIndex, 'Content-Length', String(bytes.length)]
    if (next !== undefined) {
      query.set('last', next)
      headers.push('Link', `<${exchange.path}?${query.toString()}>; rel="next"`)
    }
    if (referrers.filtersApplied !== undefined) headers.push('OCI-Filters-Applied', referrers.filtersApplied)
    pushProvenance(headers, referrers.provenance)
    answer(exchange, 200, headers, bytes)
  }
}

function noneOf(artifactType: string | undefined): Referrers {
  return { bytes: none, filtersApplied: artifactType === undefined ? undefined : 'artifactType', provenance: { verdict: 'hit' } }
}
