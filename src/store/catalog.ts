// Which repositories there are. Nothing lists them but their folders, so a page is a walk that begins behind `last` and ends early.
import { isRegistryError } from '../oci/errors.ts'
import { parseRepositoryName, type RepositoryName } from '../oci/names.ts'
import type { Page, PageOf } from '../oci/pagination.ts'
import { layersFolderName, manifestsFolderName, repositoriesFolder } from './layout.ts'
import type { Listings } from './listings.ts'
import { trouble } from './trouble.ts'

/** distribution's page of a catalog when the client names no `n`. */
const defaultEntries = 100

/** In distribution's order: by path components, so that `a/b` comes before `a-b`. */
export async function listRepositories(
  listings: Listings,
  page: Page,
  atMost: number,
  signal: AbortSignal,
): Promise<PageOf<RepositoryName>> {
  const n = Math.min(page.n ?? defaultEntries, atMost)
  if (n === 0) return { items: [], more: false }
  const items: RepositoryName[] = []
  try {
    for await (const name of repositoriesBelow(listings, '', page.last?.split('/'), signal)) {
      if (items.length === n) return { items, more: true }
      items.push(name)
    }
  } catch (error) {
    signal.throwIfAborted()
    throw trouble('listing the repositories', error)
  }
  return { items, more: false }
}

/** Every folder that holds something of a repository, also one that only holds uploads; with the names of its children. */
export async function* repositoryFolders(
  list: ListFolder,
  signal: AbortSignal,
  folder = '',
): AsyncGenerator<readonly [RepositoryName, readonly string[]], void, void> {
  signal.throwIfAborted()
  const children = (await list(pathOf(folder)))?.toSorted() ?? []
  const name = children.some((child) => child.startsWith('_')) ? repositoryNamed(folder) : undefined
  if (name !== undefined) yield [name, children]
  for (const child of children.filter(beginsLikeAName)) yield* repositoryFolders(list, signal, below(folder, child))
}

type ListFolder = (path: string) => Promise<readonly string[] | undefined>

/**
 * `after` is the rest of `last` when it lies at or below this folder, so that whole folders before it are passed over.
 * `undefined`: everything here comes after it.
 */
async function* repositoriesBelow(
  listings: Listings,
  folder: string,
  after: readonly string[] | undefined,
  signal: AbortSignal,
): AsyncGenerator<RepositoryName, void, void> {
  signal.throwIfAborted()
  const children = (await listings.list(pathOf(folder))) ?? []
  const name = after === undefined && holdsContent(children) ? repositoryNamed(folder) : undefined
  if (name !== undefined) yield name
  const [first, ...rest] = after ?? []
  for (const child of children) {
    if (!beginsLikeAName(child) || (first !== undefined && child < first)) continue
    yield* repositoriesBelow(listings, below(folder, child), child === first ? rest : undefined, signal)
  }
}

function pathOf(folder: string): string {
  return folder === '' ? repositoriesFolder : `${repositoriesFolder}/${folder}`
}

function below(folder: string, child: string): string {
  return folder === '' ? child : `${folder}/${child}`
}

/** A repository that was mirrored in parts has one of the two: registry:2 lists it by the one, registry:3 by the other. */
function holdsContent(children: readonly string[]): boolean {
  return children.includes(layersFolderName) || children.includes(manifestsFolderName)
}

function beginsLikeAName(folder: string): boolean {
  return /^[a-zA-Z0-9]/.test(folder)
}

/** `undefined` for a folder of something else. */
function repositoryNamed(folder: string): RepositoryName | undefined {
  try {
    return parseRepositoryName(folder)
  } catch (error) {
    if (isRegistryError(error, 'NAME_INVALID')) return undefined
    throw error
  }
}
