// Tags: a folder per tag, whose current link is what it points at and whose index is what it ever pointed at.
import type { Digest } from '../oci/digest.ts'
import { isTag, type RepositoryName, type Tag } from '../oci/names.ts'
import type { StorageDriver } from './driver.ts'
import { currentLinkPath, indexLinkPath, layersFolder, manifestsFolder, tagFolder, tagsFolder } from './layout.ts'
import { ensureLink, readLink } from './links.ts'
import { trouble } from './trouble.ts'

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

/** The index first, as distribution does: a tag that can be pulled is always in its index, which garbage collection reads. */
export async function putTag(driver: StorageDriver, repository: RepositoryName, tag: Tag, digest: Digest): Promise<void> {
  try {
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

/** All of them, sorted by byte order. `undefined`: the repository is not known. */
export async function listTags(driver: StorageDriver, repository: RepositoryName): Promise<Tag[] | undefined> {
  try {
    const names = await driver.list(tagsFolder(repository))
    // Tags are ASCII, for which the order of UTF-16 units is that of bytes.
    if (names !== undefined) return names.filter(isTag).sort()
    const folders = await Promise.all([driver.stat(manifestsFolder(repository)), driver.stat(layersFolder(repository))])
    return folders.some((folder) => folder?.kind === 'directory') ? [] : undefined
  } catch (error) {
    throw trouble(`listing the tags of ${repository}`, error)
  }
}
