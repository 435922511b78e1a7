// Every path of the store: distribution's on-disk layout, so that a running registry:2 or registry:3 can share the folder.
//
//   /docker/registry/v2/
//     blobs/<alg>/<hex[0:2]>/<hex>/data                    every blob: layers, configs and manifests alike
//     repositories/<name>/                                 a name with slashes is nested folders
//       _layers/<alg>/<hex>/link                           which layers and configs belong to the repository
//       _manifests/revisions/<alg>/<hex>/link              which manifests do
//       _manifests/tags/<tag>/current/link                 what the tag points at
//       _manifests/tags/<tag>/index/<alg>/<hex>/link       what it ever pointed at
//       _uploads/<uuid>/data                               what has come of a blob that is being pushed
//       _uploads/<uuid>/startedat                          since when, as RFC 3339 in whole seconds
//       _uploads/<uuid>/hashstates/<alg>/<offset>          distribution's running hash; ours stays in memory
//   /entrepot/                                             ours alone: distribution never looks here
//     fills/                                               files on their way in
//     media-types/<alg>/<hex>                              a manifest's Content-Type, where its bytes say another
//     referrers/<name>/_subjects/<alg>/<hex>/<alg>-<hex>   a manifest of the repository whose subject is the one of the folder
//     referrers/<name>/_indexed                            until when (ms since 1970) manifests were looked through for subjects
//     usage/index.sqlite                                   what is here and when it was used; made anew when it is gone
//     quarantine/<alg>/<hex>.<ms>                          bytes that were not those of the digest, and when that was found
//     touched/<path>                                       where the storage has no times to set: when a file was renewed
//     condemned/<path>                                     a file that the sweep is about to delete; who needs it takes it back
//
// A link is a file that holds a digest and nothing else, also no newline: distribution answers 500 to one that differs.
import { algorithmOf, type Digest, type DigestAlgorithm, hexOf } from '../oci/digest.ts'
import { RegistryError } from '../oci/errors.ts'
import type { RepositoryName, Tag } from '../oci/names.ts'

export const registryFolder = '/docker/registry/v2'
const root = registryFolder

export const repositoriesFolder = `${root}/repositories`
export const fillsFolder = '/entrepot/fills'
export const layersFolderName = '_layers'
export const manifestsFolderName = '_manifests'
export const uploadsFolderName = '_uploads'
export const blobsFolder = `${root}/blobs`
export const condemnedFolder = '/entrepot/condemned'
export const quarantineFolder = '/entrepot/quarantine'
export const usageIndexPath = '/entrepot/usage/index.sqlite'
/** Where the index is not a file beside the content. */
export const pinsPath = '/entrepot/usage/pins.json'
/** By which replicas find out that they share a store: a UUID. */
export const storeIdPath = '/entrepot/store-id'
/** distribution's proxy keeps it at the root of the driver. */
export const schedulerStatePath = '/scheduler-state.json'
/** What is public upstream, as far as it was asked. */
export const publicNotesPath = '/entrepot/public.json'
export const touchedFolder = '/entrepot/touched'

/** Of blobs, links and uploads: what object stores need not look for as a folder. No name of a repository or tag can look like it. */
const filePattern =
  /^\/docker\/registry\/v2\/(?:blobs\/[^/]+\/[^/]+\/[^/]+\/data|repositories\/.+\/_(?:layers\/[^/]+\/[^/]+\/link|uploads\/[^/]+\/(?:data|startedat)|manifests\/(?:revisions\/[^/]+\/[^/]+|tags\/[^/]+\/current|tags\/[^/]+\/index\/[^/]+\/[^/]+)\/link))$/

export function isNeverFolder(path: string): boolean {
  return filePattern.test(path.startsWith(`${condemnedFolder}/`) ? path.slice(condemnedFolder.length) : path)
}

/** Of one upload. Nobody renews what is in there. */
export function isUploadFolder(path: string): boolean {
  return /\/_uploads\/[^/]+$/.test(path)
}

/** What grows by appending, request by request. */
export function isUploadData(path: string): boolean {
  return /\/_uploads\/[^/]+\/data$/.test(path)
}

export function mayHoldUploads(folder: string): boolean {
  return /\/_uploads(?:\/[^/]+)?$/.test(folder)
}

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

/** With the link and whatever old versions of distribution kept beside it. */
export function revisionFolder(repository: RepositoryName, digest: Digest): string {
  return `${revisionsFolder(repository, algorithmOf(digest))}/${hexOf(digest)}`
}

/** Its children are named by the hex of the repository's manifests. */
export function revisionsFolder(repository: RepositoryName, algorithm: DigestAlgorithm): string {
  return `${manifestsFolder(repository)}/revisions/${algorithm}`
}

/** Its children are named by the hex of the repository's blobs. */
export function layersFolderOf(repository: RepositoryName, algorithm: DigestAlgorithm): string {
  return `${layersFolder(repository)}/${algorithm}`
}

export function currentLinkPath(repository: RepositoryName, tag: Tag): string {
  return `${tagFolder(repository, tag)}/current/link`
}

export function indexLinkPath(repository: RepositoryName, tag: Tag, digest: Digest): string {
  return linkPath(`${tagFolder(repository, tag)}/index`, digest)
}

/** Its children are named by the hex of what the tag ever pointed at. */
export function tagIndexFolder(repository: RepositoryName, tag: Tag, algorithm: DigestAlgorithm): string {
  return `${tagFolder(repository, tag)}/index/${algorithm}`
}

export function mediaTypePath(digest: Digest): string {
  return `/entrepot/media-types/${algorithmOf(digest)}/${hexOf(digest)}`
}

export function uploadsFolder(repository: RepositoryName): string {
  return `${repositoryFolder(repository)}/${uploadsFolderName}`
}

/** `id` must be a UUID: it is part of the path. */
export function uploadFolder(repository: RepositoryName, id: string): string {
  return `${uploadsFolder(repository)}/${id}`
}

/** Where the sweep takes a file aside to. */
export function condemnedPath(path: string): string {
  return `${condemnedFolder}${path}`
}

export function subjectsFolder(repository: RepositoryName, algorithm: DigestAlgorithm): string {
  return `${referrersFolder(repository)}/_subjects/${algorithm}`
}

export function subjectFolder(repository: RepositoryName, subject: Digest): string {
  return `${subjectsFolder(repository, algorithmOf(subject))}/${hexOf(subject)}`
}

export function referrerPath(repository: RepositoryName, subject: Digest, referrer: Digest): string {
  return `${subjectFolder(repository, subject)}/${algorithmOf(referrer)}-${hexOf(referrer)}`
}

export function indexedMarkerPath(repository: RepositoryName): string {
  return `${referrersFolder(repository)}/_indexed`
}

function referrersFolder(repository: RepositoryName): string {
  return `/entrepot/referrers${repositoryFolder(repository).slice(repositoriesFolder.length)}`
}

function linkPath(folder: string, digest: Digest): string {
  return `${folder}/${algorithmOf(digest)}/${hexOf(digest)}/link`
}
