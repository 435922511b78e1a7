// What a pushed manifest points at must be in its repository, or be allowed to lie elsewhere.
import type { Digest } from '../oci/digest.ts'
import { RegistryError, RegistryErrors } from '../oci/errors.ts'
import type { RepositoryName } from '../oci/names.ts'
import type { PushedManifest, ReferencedBlob, ReferencedManifest } from '../oci/pushed-manifest.ts'
import type { Blobs } from './blobs.ts'
import type { Manifests } from './manifests.ts'

/** `validation` of the configuration. */
export interface ManifestRules {
  /** Nothing that a manifest points at is looked for. */
  readonly disabled: boolean
  /** URLs that layers may lie at. Both empty: of layers whose type says that they lie elsewhere. `allow` empty: all that `deny` does not fit. */
  readonly urls: { readonly allow: readonly RegExp[]; readonly deny: readonly RegExp[] }
  /** Which children of an index must be there. */
  readonly children: 'all' | 'none' | readonly { readonly architecture: string; readonly os: string }[]
}

export const defaultManifestRules: ManifestRules = { disabled: false, urls: { allow: [], deny: [] }, children: 'all' }

export interface ReferenceParts {
  readonly blobs: Blobs
  readonly manifests: Manifests
  readonly rules: ManifestRules
}

/** Looks at so many at once. */
const batchSize = 16
/** With so many in the wrong nobody looks for the rest: 4 MiB of references are many looks at the store. */
const mostErrors = 100

/** What it finds is safe from the sweep for a while. Throws RegistryErrors: one MANIFEST_BLOB_UNKNOWN or MANIFEST_INVALID per reference in the wrong, as far as it looks. */
export async function checkReferences(parts: ReferenceParts, repository: RepositoryName, manifest: PushedManifest): Promise<void> {
  const { blobs, manifests, rules } = parts
  if (rules.disabled) return
  const checks: (() => Promise<RegistryError | undefined>)[] = []
  const isThere = once((digest: Digest) => blobs.findForPush(repository, digest).then((found) => found !== undefined))
  for (const blob of manifest.blobs) {
    if (liesElsewhere(blob)) checks.push(async () => (blob.urls.every((url) => isAllowed(url, blob, rules)) ? undefined : invalidUrl(blob)))
    else checks.push(async () => ((await isThere(blob.digest)) ? undefined : unknown(blob)))
  }
  for (const child of manifest.manifests) {
    if (!isRequired(child, rules)) continue
    checks.push(async () => ((await manifests.hasForPush(repository, child.digest)) ? undefined : unknown(child)))
  }
  const errors: RegistryError[] = []
  for (let next = 0; next < checks.length && errors.length < mostErrors; next += batchSize) {
    const found = await Promise.all(checks.slice(next, next + batchSize).map((check) => check()))
    errors.push(...found.filter((error) => error !== undefined))
  }
  const [first, ...others] = errors
  if (first !== undefined) throw new RegistryErrors([first, ...others])
}

/** Images have the same (empty) layer many times. */
function once<Key, Value>(find: (key: Key) => Promise<Value>): (key: Key) => Promise<Value> {
  const found = new Map<Key, Promise<Value>>()
  return (key) => {
    const known = found.get(key)
    if (known !== undefined) return known
    const asked = find(key)
    found.set(key, asked)
    return asked
  }
}

/** Docker names such layers by their type alone; in OCI any layer may have URLs. */
function liesElsewhere({ mediaType, urls }: ReferencedBlob): boolean {
  if (urls.length === 0) return false
  return (
    mediaType === 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip' || mediaType.startsWith('application/vnd.oci.image.layer.')
  )
}

function isAllowed(url: string, { mediaType }: ReferencedBlob, { urls: { allow, deny } }: ManifestRules): boolean {
  if (!/^https?:\/\//i.test(url) || !URL.canParse(url) || url.includes('#')) return false
  // image-spec, "Non-Distributable Layers": nobody may push these, so refusing where they lie would refuse the image.
  if (allow.length === 0 && deny.length === 0) return mediaType.startsWith('application/vnd.oci.image.layer.nondistributable.')
  return (allow.length === 0 || allow.some((rule) => rule.test(url))) && !deny.some((rule) => rule.test(url))
}

function isRequired({ architecture, os }: ReferencedManifest, { children }: ManifestRules): boolean {
  if (children === 'all' || children === 'none') return children === 'all'
  return children.some((platform) => platform.architecture === architecture && platform.os === os)
}

function unknown({ digest }: { readonly digest: string }): RegistryError {
  return new RegistryError('MANIFEST_BLOB_UNKNOWN', 'blob unknown to registry', { detail: digest })
}

function invalidUrl({ digest }: ReferencedBlob): RegistryError {
  return new RegistryError('MANIFEST_INVALID', 'manifest invalid', { detail: `invalid URL on layer ${digest}` })
}
