// What an image is made of, from its manifest and, for one platform, its configuration: all that is here, and nothing is fetched.
import type { Digest } from '../oci/digest.ts'
import { isDigest } from '../oci/digest.ts'
import { type ParsedManifest, parseManifest, parseManifestObject } from '../oci/manifest.ts'
import { isRegistryError } from '../oci/errors.ts'
import type { RepositoryName } from '../oci/names.ts'
import type { Views } from './views.ts'

/** Of an image's configuration, which tells its platform; larger ones are not looked into. */
const maxConfigBytes = 1024 * 1024

export interface Made {
  readonly mediaType: string
  /** Of an index: its images; of an image: itself. Attestations are left out. */
  readonly parts: readonly { readonly platform: string; readonly digest: Digest }[]
  readonly layers: readonly { readonly digest: Digest; readonly size: number }[]
}

/** `undefined`: the manifest is not here, or is none. */
export async function readMade(views: Views, repository: RepositoryName, digest: Digest): Promise<Made | undefined> {
  const manifest = await views.findManifest(repository, digest)
  if (manifest === undefined) return undefined
  const parsed = parsedOrNone(manifest.bytes, manifest.descriptor.mediaType)
  if (parsed === undefined) return undefined
  const { mediaType, layers, config } = parsed
  if (config === undefined) return { mediaType, parts: partsOf(manifest.bytes), layers: [] }
  const platform = await platformIn(views, repository, config.digest)
  return {
    mediaType,
    parts: platform === undefined ? [] : [{ platform, digest }],
    layers: layers.map(({ digest, size }) => ({ digest, size })),
  }
}

function parsedOrNone(bytes: Uint8Array, mediaType: string): ParsedManifest | undefined {
  try {
    return parseManifest(bytes, mediaType)
  } catch (error) {
    if (isRegistryError(error, 'MANIFEST_INVALID')) return undefined
    throw error
  }
}

/** image-spec, "Image Index": `platform` of each entry. An attestation's is unknown/unknown. */
function partsOf(index: Uint8Array): Made['parts'] {
  const { manifests } = parseManifestObject(index)
  if (!Array.isArray(manifests)) return []
  return manifests.flatMap((entry: unknown) => {
    const { digest, platform } = (entry ?? {}) as { readonly digest?: unknown; readonly platform?: unknown }
    const text = platformText(platform)
    return typeof digest === 'string' && isDigest(digest) && text !== undefined ? [{ platform: text, digest }] : []
  })
}

/** image-spec, "Image Configuration": the platform stands at its top. */
async function platformIn(views: Views, repository: RepositoryName, config: Digest): Promise<string | undefined> {
  const bytes = await views.readBlob(repository, config, maxConfigBytes)
  if (bytes === undefined) return undefined
  try {
    return platformText(parseManifestObject(bytes))
  } catch (error) {
    if (isRegistryError(error, 'MANIFEST_INVALID')) return undefined
    throw error
  }
}

function platformText(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const { os, architecture, variant } = value as Readonly<Record<string, unknown>>
  if (typeof os !== 'string' || typeof architecture !== 'string' || os === 'unknown') return undefined
  return [os, architecture, ...(typeof variant === 'string' ? [variant] : [])].join('/')
}
