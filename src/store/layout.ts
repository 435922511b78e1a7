// Every path of the store: distribution's on-disk layout, so that a running registry:2 or registry:3 can share the folder.
//
//   /docker/registry/v2/
//     blobs/<alg>/<hex[0:2]>/<hex>/data                    every blob: layers, configs and manifests alike
//     repositories/<name>/                                 a name with slashes is nested folders
//       _layers/<alg>/<hex>/link                           which layers and configs belong to the repository
//       _manifests/revisions/<alg>/<hex>/link              which manifests do
//       _manifests/tags/<tag>/current/link                 what the tag points at
//       _manifests/tags/<tag>/index/<alg>/<hex>/link       what it ever pointed at
//   /entrepot/                                             ours alone: distribution never looks here
//     fills/                                               files on their way in
//     media-types/<alg>/<hex>                              a manifest's Content-Type, where its bytes say another
//
// A link is a file that holds a digest and nothing else, also no newline: distribution answers 500 to one that differs.
import { algorithmOf, type Digest, hexOf } from '../oci/digest.ts'
import { RegistryError } from '../oci/errors.ts'
import type { RepositoryName, Tag } from '../oci/names.ts'

const root = '/docker/registry/v2'

export const repositoriesFolder = `${root}/repositories`
export const fillsFolder = '/entrepot/fills'
export const layersFolderName = '_layers'
export const manifestsFolderName = '_manifests'

export function blobDataPath(digest: Digest): string {
  const hex = hexOf(digest)
  return `${root}/blobs/${algorithmOf(digest)}/${hex.slice(0, 2)}/${hex}/data`
}

/**
 * Throws RegistryError NAME_INVALID for a name with a port: distribution's drivers refuse a colon in a path,
 * so that a folder of such a name would break its walks over the whole store.
 */
export function repositoryFolder(repository: RepositoryName): string {
  if (!repository.includes(':')) return `${repositoriesFolder}/${repository}`
  throw new RegistryError('NAME_INVALID', 'invalid repository name', { detail: repository })
}

export function layersFolder(repository: RepositoryName): string {
  return `${repositoryFolder(repository)}/${layersFolderName}`
}

export function manifestsFolder(repository: RepositoryName): string {
  return `${repositoryFolder(repository)}/${manifestsFolderName}`
}

export function tagsFolder(repository: RepositoryName): string {
  return `${manifestsFolder(repository)}/tags`
}

export function tagFolder(repository: RepositoryName, tag: Tag): string {
  return `${tagsFolder(repository)}/${tag}`
}

export function layerLinkPath(repository: RepositoryName, digest: Digest): string {
  return linkPath(layersFolder(repository), digest)
}

export function revisionLinkPath(repository: RepositoryName, digest: Digest): string {
  return linkPath(`${manifestsFolder(repository)}/revisions`, digest)
}

export function currentLinkPath(repository: RepositoryName, tag: Tag): string {
  return `${tagFolder(repository, tag)}/current/link`
}

export function indexLinkPath(repository: RepositoryName, tag: Tag, digest: Digest): string {
  return linkPath(`${tagFolder(repository, tag)}/index`, digest)
}

export function mediaTypePath(digest: Digest): string {
  return `/entrepot/media-types/${algorithmOf(digest)}/${hexOf(digest)}`
}

function linkPath(folder: string, digest: Digest): string {
  return `${folder}/${algorithmOf(digest)}/${hexOf(digest)}/link`
}
