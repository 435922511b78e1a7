// Reading a manifest's bytes: its type, the content it points at, its subject. The bytes themselves are never changed.
import type { Descriptor } from './descriptor.ts'
import { type Digest, isDigest } from './digest.ts'
import { isRegistryError, RegistryError } from './errors.ts'
import { isManifestType, mediaTypes } from './media-types.ts'

/** distribution-spec: manifests of at least 4 MiB are accepted; larger ones may be refused. */
export const maxManifestBytes = 4 * 1024 * 1024

export interface ParsedManifest {
  readonly mediaType: string
  /** Manifests that an index lists. */
  readonly manifests: readonly Descriptor[]
  readonly config: Descriptor | undefined
  readonly layers: readonly Descriptor[]
  readonly subject: Descriptor | undefined
  readonly artifactType: string | undefined
  /** The manifest's own; entries that are no text are left out. */
  readonly annotations: Readonly<Record<string, string>> | undefined
}

/**
 * `declaredType` is the Content-Type that came with the bytes; it wins over a `mediaType` inside when both are manifest types,
 * because it is what the clients will be told. Throws RegistryError MANIFEST_INVALID.
 */
export function parseManifest(bytes: Uint8Array, declaredType: string | undefined): ParsedManifest {
  const body = parseManifestObject(bytes)
  const mediaType = manifestTypeOf(body, declaredType)
  return {
    mediaType,
    manifests: descriptorsOf(body['manifests']),
    config: descriptorOf(body['config']),
    layers: descriptorsOf(body['layers']),
    subject: descriptorOf(body['subject']),
    artifactType: typeof body['artifactType'] === 'string' ? body['artifactType'] : undefined,
    annotations: annotationsOf(body['annotations']),
  }
}

/** The type to serve these bytes with, from what was declared, else from what they say, else from their shape. */
function manifestTypeOf(body: Readonly<Record<string, unknown>>, declaredType: string | undefined): string {
  if (declaredType !== undefined && isManifestType(declaredType)) return declaredType
  const inside = body['mediaType']
  if (typeof inside === 'string' && isManifestType(inside)) return inside
  if (Array.isArray(body['manifests'])) return mediaTypes.ociIndex
  if (Array.isArray(body['layers']) || body['config'] !== undefined) return mediaTypes.ociManifest
  if (body['schemaVersion'] === 1) return mediaTypes.dockerSchema1
  throw new RegistryError('MANIFEST_INVALID', 'manifest invalid', { detail: 'neither its type nor its shape is that of a manifest' })
}

/** Any JSON object. Throws RegistryError MANIFEST_INVALID. */
export function parseManifestObject(bytes: Uint8Array): Readonly<Record<string, unknown>> {
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (error) {
    throw new RegistryError('MANIFEST_INVALID', 'manifest invalid', { detail: 'not JSON', cause: error })
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>
  throw new RegistryError('MANIFEST_INVALID', 'manifest invalid', { detail: 'not a JSON object' })
}

function annotationsOf(value: unknown): Readonly<Record<string, string>> | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
  return Object.fromEntries(Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === 'string'))
}

function descriptorsOf(value: unknown): Descriptor[] {
  if (!Array.isArray(value)) return []
  return value.map(descriptorOf).filter((descriptor) => descriptor !== undefined)
}

/** `undefined` for what is no descriptor: a mirror passes odd manifests on, it does not judge them. */
function descriptorOf(value: unknown): Descriptor | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const { mediaType, digest, size } = value as Record<string, unknown>
  if (typeof digest !== 'string' || !isDigest(digest)) return undefined
  return { mediaType: typeof mediaType === 'string' ? mediaType : '', digest, size: typeof size === 'number' ? size : -1 }
}

export interface ManifestNeeds {
  /** In the order in which they stand; also those of an index. */
  readonly references: readonly Digest[]
  readonly subject: Digest | undefined
}

/** What a manifest of any kind refers to, whether or not all of it is in order. `undefined`: it is not readable as a manifest. */
export function manifestNeeds(bytes: Uint8Array): ManifestNeeds | undefined {
  try {
    const body = parseManifestObject(bytes)
    const references = ['config', 'layers', 'fsLayers', 'blobs', 'manifests'].flatMap((name) => digestsIn(body[name]))
    return { references, subject: digestsIn(body['subject'])[0] }
  } catch (error) {
    if (isRegistryError(error, 'MANIFEST_INVALID')) return undefined
    throw error
  }
}

/** Of a descriptor or a list of them, also of the entries of Docker's oldest format. */
function digestsIn(value: unknown): Digest[] {
  if (Array.isArray(value)) return value.flatMap(digestsIn)
  if (typeof value !== 'object' || value === null) return []
  const { digest, blobSum } = value as Readonly<Record<string, unknown>>
  return [digest, blobSum].filter((text): text is Digest => typeof text === 'string' && isDigest(text))
}
