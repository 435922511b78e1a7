// Lists of referrers in answers that clients take (distribution-spec, "Listing Referrers": a Link where one manifest does not hold them all).
import { parseManifestObject } from './manifest.ts'

export interface ReferrersPage {
  readonly bytes: Uint8Array
  /** The digest to go on after; `undefined`: this was the last page. */
  readonly next: string | undefined
}

/**
 * The part of an image index that comes after the digest `last`, at most `maxBytes` long, but never empty while there is more.
 * A list that fits is given as it is; one that does not is sorted by digest. Throws RegistryError MANIFEST_INVALID.
 */
export function referrersPage(bytes: Uint8Array, last: string | undefined, maxBytes: number): ReferrersPage {
  if (last === undefined && bytes.length <= maxBytes) return { bytes, next: undefined }
  const index = parseManifestObject(bytes)
  const all = Array.isArray(index['manifests']) ? (index['manifests'] as { readonly digest?: unknown }[]) : []
  const rest = all
    .map((descriptor) => ({ descriptor, digest: String(descriptor.digest) }))
    .filter(({ digest }) => last === undefined || digest > last)
    .sort((one, other) => (one.digest < other.digest ? -1 : 1))
  // The last one has no comma behind it.
  let room = maxBytes - Buffer.byteLength(JSON.stringify({ ...index, manifests: [] })) + 1
  const end = rest.findIndex(({ descriptor }, at) => {
    room -= Buffer.byteLength(JSON.stringify(descriptor)) + 1
    return room < 0 && at > 0
  })
  const page = end === -1 ? rest : rest.slice(0, end)
  const manifests = page.map(({ descriptor }) => descriptor)
  return { bytes: Buffer.from(JSON.stringify({ ...index, manifests })), next: end === -1 ? undefined : page.at(-1)?.digest }
}
