// What operators call an image: `nginx`, `nginx:1.27`, `ghcr.io/a/b:c`, `nginx@sha256:…`. Pure.
import { type Digest, parseDigest } from '../oci/digest.ts'
import { RegistryError } from '../oci/errors.ts'
import { parseReference, parseRepositoryName, type RepositoryName, type Tag } from '../oci/names.ts'

export interface ImageName {
  readonly repository: RepositoryName
  readonly reference: { readonly tag: Tag } | { readonly digest: Digest }
}

/** Without tag or digest: `latest`, as clients mean it. Throws RegistryError for what is no name. */
export function parseImageName(text: string): ImageName {
  const at = text.indexOf('@')
  if (at >= 0)
    return { repository: repositoryIn(text.slice(0, at).replace(/:[^:/]*$/, '')), reference: { digest: parseDigest(text.slice(at + 1)) } }
  const colon = text.lastIndexOf(':')
  if (colon < 0 || text.includes('/', colon)) return { repository: repositoryIn(text), reference: { tag: 'latest' as Tag } }
  return { repository: repositoryIn(text.slice(0, colon)), reference: { tag: parseReference(text.slice(colon + 1)) as Tag } }
}

/** A port before the name is written with a dot where content is known. */
function repositoryIn(text: string): RepositoryName {
  if (text === '') throw new RegistryError('NAME_INVALID', 'no image is named')
  return parseRepositoryName(text.replace(/^([^/:]+):(\d+)\//, '$1.$2/'))
}

export function imageNameOf({ repository, tag, digest }: { repository: RepositoryName; tag: Tag | undefined; digest: Digest }): string {
  return tag === undefined ? `${repository}@${digest}` : `${repository}:${tag}`
}
