// Reading a manifest that is pushed: strictly, because what is kept will be judged by many clients, each in its own way.
import { type Digest, isDigest } from './digest.ts'
import { RegistryError } from './errors.ts'
import { maxManifestBytes, parseManifestObject } from './manifest.ts'
import { essenceOf, isIndexType, mediaTypes } from './media-types.ts'

export interface ReferencedBlob {
  readonly digest: Digest
  readonly mediaType: string
  /** Where a foreign layer lies instead. */
  readonly urls: readonly string[]
}

export interface ReferencedManifest {
  readonly digest: Digest
  readonly architecture: string | undefined
  readonly os: string | undefined
}

export interface PushedManifest {
  readonly mediaType: string
  /** Config and layers, in the order in which they stand. */
  readonly blobs: readonly ReferencedBlob[]
  /** What an index lists. */
  readonly manifests: readonly ReferencedManifest[]
  readonly subject: Digest | undefined
}

type Fields = Readonly<Record<string, unknown>>

const pushable: ReadonlySet<string> = new Set([
  mediaTypes.ociManifest,
  mediaTypes.ociIndex,
  mediaTypes.dockerManifest,
  mediaTypes.dockerManifestList,
])
/** distribution requires Docker's types inside; image-spec only recommends OCI's. */
const namesItself: ReadonlySet<string> = new Set([mediaTypes.dockerManifest, mediaTypes.dockerManifestList])

/**
 * `contentType` alone decides how the bytes are read, and what is inside must agree with it.
 * Throws RegistryError MANIFEST_INVALID, and DIGEST_INVALID for a reference by what is no digest.
 */
export function parsePushedManifest(bytes: Uint8Array, contentType: string | undefined): PushedManifest {
  const mediaType = essenceOf(contentType ?? '')
  if (!pushable.has(mediaType)) throw invalid(`unsupported manifest media type and no default available: ${mediaType.slice(0, 200)}`)
  if (bytes.length > maxManifestBytes) throw invalid(`larger than ${maxManifestBytes} bytes`)
  const body = parseManifestObject(bytes)
  checkHead(body, mediaType)
  return {
    mediaType,
    blobs: isIndexType(mediaType) ? [] : blobsOf(body),
    manifests: isIndexType(mediaType) ? listOf(body, 'manifests').map(referencedManifest) : [],
    subject: isAbsent(body['subject']) ? undefined : digestOf(fieldsOf(body['subject'], 'subject')),
  }
}

function checkHead(body: Fields, mediaType: string): void {
  if (body['schemaVersion'] !== 2) throw invalid('its schemaVersion must be 2')
  const inside = body['mediaType']
  const isSilent = isAbsent(inside) || inside === ''
  if (isSilent ? namesItself.has(mediaType) : inside !== mediaType) {
    throw invalid(`its mediaType must be that of the request's Content-Type, ${mediaType}`)
  }
  // Bytes that are an image to one client and an index to another are an attack (CVE-2021-41190).
  const foreign = isIndexType(mediaType) ? ['config', 'layers'] : ['manifests']
  const found = foreign.find((name) => !isAbsent(body[name]))
  if (found !== undefined) throw invalid(`a manifest of this type has no ${found}`)
}

function blobsOf(body: Fields): ReferencedBlob[] {
  return [fieldsOf(body['config'], 'config'), ...listOf(body, 'layers')].map((fields) => ({
    digest: digestOf(fields),
    mediaType: textOf(fields['mediaType']) ?? '',
    urls: Array.isArray(fields['urls']) ? fields['urls'].map(String) : [],
  }))
}

function referencedManifest(fields: Fields): ReferencedManifest {
  const platform = isAbsent(fields['platform']) ? {} : fieldsOf(fields['platform'], 'platform')
  return { digest: digestOf(fields), architecture: textOf(platform['architecture']), os: textOf(platform['os']) }
}

function listOf(body: Fields, name: string): Fields[] {
  const value = body[name]
  if (isAbsent(value)) return []
  if (!Array.isArray(value)) throw invalid(`its ${name} must be a list`)
  return value.map((entry) => fieldsOf(entry, name))
}

function fieldsOf(value: unknown, name: string): Fields {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Fields
  throw invalid(`what it has as ${name} is no descriptor`)
}

function digestOf(fields: Fields): Digest {
  const digest = fields['digest']
  if (typeof digest === 'string' && isDigest(digest)) return digest
  throw new RegistryError('DIGEST_INVALID', 'invalid checksum digest format', { detail: String(digest).slice(0, 200) })
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

function isAbsent(value: unknown): value is undefined | null {
  return value === undefined || value === null
}

function invalid(detail: string): RegistryError {
  return new RegistryError('MANIFEST_INVALID', 'manifest invalid', { detail })
}
