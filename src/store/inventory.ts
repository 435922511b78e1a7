// The store as a walk finds it, repository by repository: what an index of it is made from when there is none, or none that can be trusted.
import type { StoredContent, StoredRepository } from '../content-sink.ts'
import type { Digest } from '../oci/digest.ts'
import { isTag, type RepositoryName, type Tag } from '../oci/names.ts'
import { repositoryFolders } from './catalog.ts'
import type { StorageDriver, StoredEntry } from './driver.ts'
import { blobDataPath, currentLinkPath, layersFolderOf, revisionsFolder, tagsFolder } from './layout.ts'
import { readLink } from './links.ts'
import { factsOf, linkedDigests } from './sweep-marks.ts'

/** Looks at so many files at once. */
const batchSize = 16

/** Links whose bytes are absent are passed over. */
export async function* takeInventory(driver: StorageDriver, signal: AbortSignal): AsyncGenerator<StoredRepository, void, void> {
  const list = (path: string) => driver.list(path)
  for await (const [repository] of repositoryFolders(list, signal)) {
    const manifests = await linkedDigests(driver, (algorithm) => revisionsFolder(repository, algorithm))
    const blobs = await linkedDigests(driver, (algorithm) => layersFolderOf(repository, algorithm))
    const contents = [
      ...(await inBatches(manifests, signal, (digest) => manifestContent(driver, digest))),
      ...(await inBatches(blobs, signal, (digest) => contentOf(driver, digest))),
    ]
    yield { repository, tags: await tagsIn(driver, repository, signal), contents: contents.filter((content) => content !== undefined) }
  }
}

async function manifestContent(driver: StorageDriver, digest: Digest): Promise<StoredContent | undefined> {
  const content = await contentOf(driver, digest)
  return content === undefined ? undefined : { ...content, references: (await factsOf(driver, digest))?.references ?? [] }
}

async function contentOf(driver: StorageDriver, digest: Digest): Promise<StoredContent | undefined> {
  const entry: StoredEntry | undefined = await driver.stat(blobDataPath(digest))
  return entry?.kind === 'file' ? { digest, size: entry.size, references: undefined, usedAt: entry.modifiedAt } : undefined
}

async function tagsIn(driver: StorageDriver, repository: RepositoryName, signal: AbortSignal): Promise<{ tag: Tag; digest: Digest }[]> {
  const names = ((await driver.list(tagsFolder(repository))) ?? []).filter(isTag)
  const tags = await inBatches(names, signal, async (tag) => {
    const digest = await readLink(driver, currentLinkPath(repository, tag))
    return digest === undefined ? undefined : { tag, digest }
  })
  return tags.filter((tag) => tag !== undefined)
}

async function inBatches<Item, Found>(items: readonly Item[], signal: AbortSignal, look: (item: Item) => Promise<Found>): Promise<Found[]> {
  const found: Found[] = []
  for (let next = 0; next < items.length; next += batchSize) {
    signal.throwIfAborted()
    found.push(...(await Promise.all(items.slice(next, next + batchSize).map(look))))
  }
  return found
}
