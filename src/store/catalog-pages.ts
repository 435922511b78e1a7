// Pages of the catalog, believed for a moment: a page is a look at each of its folders, and who asks again at once (a dashboard,
// a script, a hundred of them) needs none. What this process keeps itself is listed at once; of what others do on the same
// folder, a page is at most `believeMs` behind.
import { LRUCache } from 'lru-cache'
import type { Clock } from '../lib/clock.ts'
import type { RepositoryName } from '../oci/names.ts'
import type { Page, PageOf } from '../oci/pagination.ts'
import { listRepositories } from './catalog.ts'
import type { Listings } from './listings.ts'

type Names = PageOf<RepositoryName>

/** A page may have as many names as the configuration allows. */
const maxPages = 16

export class CatalogPages {
  readonly #listings: Listings
  readonly #clock: Clock
  readonly #believeMs: number
  readonly #known = new LRUCache<string, { readonly names: Names; readonly lookedAt: number }>({ max: maxPages })
  /** Counts changes: a look that began before one must not be remembered after. */
  #changes = 0

  constructor(listings: Listings, clock: Clock, believeMs: number) {
    this.#listings = listings
    this.#clock = clock
    this.#believeMs = believeMs
  }

  async list(page: Page, atMost: number, signal: AbortSignal): Promise<Names> {
    const key = `${page.n ?? ''} ${atMost} ${page.last ?? ''}`
    const known = this.#known.get(key)
    const lookedAt = this.#clock.now()
    const ageMs = lookedAt - (known?.lookedAt ?? 0)
    if (known !== undefined && ageMs >= 0 && ageMs < this.#believeMs) return known.names
    const changes = this.#changes
    const names = await listRepositories(this.#listings, page, atMost, signal)
    if (changes === this.#changes) this.#known.set(key, { names, lookedAt })
    return names
  }

  /** Something was kept, perhaps in a repository that is new. */
  forget(): void {
    this.#changes += 1
    this.#known.clear()
  }
}
