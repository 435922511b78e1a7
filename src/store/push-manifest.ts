// Keeping a manifest that was pushed, in the order that leaves nothing half-visible wherever it breaks off:
// the bytes, the repository's link to them, the list of its subject's referrers, the tags.
import type { KeptManifest, PushedManifest } from '../content-sink.ts'
import type { Clock } from '../lib/clock.ts'
import { algorithmOf, type Digest, digestOf } from '../oci/digest.ts'
import { RegistryError } from '../oci/errors.ts'
import type { RepositoryName, Tag } from '../oci/names.ts'
import { parsePushedManifest } from '../oci/pushed-manifest.ts'
import type { StorageDriver } from './driver.ts'
import { checkReferences, type ReferenceParts } from './manifest-references.ts'
import type { ReferrersIndex } from './referrers.ts'
import { putTag } from './tags.ts'
import { pushTrouble } from './trouble.ts'

export interface PushManifestParts extends ReferenceParts {
  readonly driver: StorageDriver
  readonly clock: Clock
  readonly referrers: ReferrersIndex
}

export interface PushTarget {
  /** The digest that it was pushed by. */
  readonly expected?: Digest
  readonly tags: readonly Tag[]
}

/** Throws RegistryError MANIFEST_INVALID, MANIFEST_BLOB_UNKNOWN, DIGEST_INVALID, UNAVAILABLE. */
export async function pushManifest(
  parts: PushManifestParts,
  repository: RepositoryName,
  { bytes, mediaType }: PushedManifest,
  target: PushTarget,
): Promise<KeptManifest> {
  const parsed = parsePushedManifest(bytes, mediaType)
  const digest = digestOf(bytes, target.expected === undefined ? 'sha256' : algorithmOf(target.expected))
  if (target.expected !== undefined && target.expected !== digest) {
    throw new RegistryError('DIGEST_INVALID', 'provided digest did not match uploaded content', {
      detail: { digest: target.expected, actual: digest },
    })
  }
  await checkReferences(parts, repository, parsed)
  const descriptor = { mediaType: parsed.mediaType, digest, size: bytes.length }
  await parts.manifests.put(repository, { descriptor, bytes })
  try {
    if (parsed.subject !== undefined) await parts.referrers.add(repository, parsed.subject, digest)
    for (const tag of target.tags) await putTag(parts.driver, repository, { tag, digest, now: parts.clock.now() })
  } catch (error) {
    throw pushTrouble(`keeping manifest ${digest} of ${repository}`, error)
  }
  return { descriptor, subject: parsed.subject }
}
