// Tags: a folder per tag, whose current link is what it points at and whose index is what it ever pointed at.
import type { Digest } from '../oci/digest.ts'
import { isTag, type RepositoryName, type Tag } from '../oci/names.ts'
import type { StorageDriver } from './driver.ts'
import {
  blobDataPath,
  currentLinkPath,
  indexLinkPath,
  layersFolder,
  manifestsFolder,
  revisionLinkPath,
  tagFolder,
  tagsFolder,
} from './layout.ts'
import { ensureLink, readLink } from './links.ts'
import type { Listing, Listings } from './listings.ts'
import { renew } from './renewal.ts'
import { trouble } from './trouble.ts'

/** Looks at so many tags at once. */
const batchSize = 16

/** Not kept in memory: another process may move a tag, and its clients may ask here a moment later. */
export async function findTag(driver: StorageDriver, repository: RepositoryName, tag: Tag): Promise<Digest | undefined> {
  try {
    return await readLink(driver, currentLinkPath(repository, tag))
  } catch (error) {
    throw trouble(`reading tag ${tag} of ${repository}`, error)
  }
}

/** Milliseconds since 1970: when `current` was last written. `undefined`: there is no such tag. */
export async function tagChangedAt(driver: StorageDriver, repository: RepositoryName, tag: Tag): Promise<number | undefined> {
  try {
    return (await driver.stat(currentLinkPath(repository, tag)))?.modifiedAt
  } catch (error) {
    throw trouble(`looking at tag ${tag} of ${repository}`, error)
  }
}

export interface TagTarget {
  readonly tag: Tag
  readonly digest: Digest
  /** Milliseconds since 1970. */
  readonly now: number
}

/** The index first, as distribution does: a tag that can be pulled is always in its index, which garbage collection reads. */
export async function putTag(driver: StorageDriver, repository: RepositoryName, { tag, digest, now }: TagTarget): Promise<void> {
  try {
    for (const path of [blobDataPath(digest), revisionLinkPath(repository, digest)]) await renew(driver, path, now)
    await ensureLink(driver, indexLinkPath(repository, tag, digest), digest)
    await ensureLink(driver, currentLinkPath(repository, tag), digest)
  } catch (error) {
    throw trouble(`pointing tag ${tag} of ${repository} at ${digest}`, error)
  }
}

/** False: there was no such tag. */
export async function removeTag(driver: StorageDriver, repository: RepositoryName, tag: Tag): Promise<boolean> {
  try {
    return await driver.remove(tagFolder(repository, tag))
  } catch (error) {
    throw trouble(`removing tag ${tag} of ${repository}`, error)
  }
}

/** Removes the tags that point at the manifest, and says which these were. */
export async function removeTagsOf(driver: StorageDriver, repository: RepositoryName, digest: Digest): Promise<Tag[]> {
  const removed: Tag[] = []
  try {
    const names = ((await driver.list(tagsFolder(repository))) ?? []).filter(isTag)
    for (let next = 0; next < names.length; next += batchSize) {
      await Promise.all(
        names.slice(next, next + batchSize).map(async (tag) => {
          if ((await readLink(driver, currentLinkPath(repository, tag))) !== digest) return
          await driver.remove(tagFolder(repository, tag))
          removed.push(tag)
        }),
      )
    }
    return removed
  } catch (error) {
    throw trouble(`removing the tags of ${digest} in ${repository}`, error)
  }
}

/** All of them, sorted by byte order. `undefined`: the repository is not known. */
export async function listTags(driver: StorageDriver, listings: Listings, repository: RepositoryName): Promise<readonly Tag[] | undefined> {
  try {
    const names = await listings.list(tagsFolder(repository))
    if (names !== undefined) return tagsAmong(names)
    return (await isKnown(driver, repository)) ? [] : undefined
  } catch (error) {
    throw trouble(`listing the tags of ${repository}`, error)
  }
}

/** Whether the store has anything of it. */
export async function isKnown(driver: StorageDriver, repository: RepositoryName): Promise<boolean> {
  const folders = await Promise.all([driver.stat(manifestsFolder(repository)), driver.stat(layersFolder(repository))])
  return folders.some((folder) => folder?.kind === 'directory')
}

/** A listing is the same object until it changes, and nearly always nothing but tags, so looking it through once is enough. */
const tagsOfListings = new WeakMap<Listing, readonly Tag[]>()

function tagsAmong(names: Listing): readonly Tag[] {
  const known = tagsOfListings.get(names)
  if (known !== undefined) return known
  const tags = names.every(isTag) ? names : names.filter(isTag)
  tagsOfListings.set(names, tags)
  return tags
}
