// A catalog that names nothing private: what is ours, and what is known to be public. It asks nobody: names of which nothing is known
// are left out.
import type { Catalog } from '../content.ts'
import type { RepositoryName } from '../oci/names.ts'
import type { Page, PageOf } from '../oci/pagination.ts'

/** How many names are looked at for each page that is to be filled. */
const namesPerLook = 1000
/** distribution's page of a catalog when the client names no `n`. */
const defaultEntries = 100

export class OpenCatalog implements Catalog {
  readonly #catalog: Catalog
  readonly #isOpen: (repository: RepositoryName) => boolean

  constructor(catalog: Catalog, isOpen: (repository: RepositoryName) => boolean) {
    this.#catalog = catalog
    this.#isOpen = isOpen
  }

  async listRepositories(page: Page, signal: AbortSignal): Promise<PageOf<RepositoryName>> {
    const wanted = page.n ?? defaultEntries
    const open: RepositoryName[] = []
    let { last } = page
    for (;;) {
      const { items, more } = await this.#catalog.listRepositories({ n: wanted === 0 ? 0 : namesPerLook, last }, signal)
      open.push(...items.filter(this.#isOpen))
      last = items.at(-1)
      // One more than is wanted says that there is more.
      if (open.length > wanted) return { items: open.slice(0, wanted), more: true }
      if (!more || last === undefined) return { items: open, more: false }
    }
  }
}
