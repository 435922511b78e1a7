// The tags of a repository, in pages (distribution-spec, "Listing Tags").
import type { ContentSource } from '../../content.ts'
import { RegistryError } from '../../oci/errors.ts'
import { formatNextLink, parsePage, type Page, type PageOf } from '../../oci/pagination.ts'
import { answerNames, type Exchange, type Handler } from '../exchange.ts'
import { namespaceIn, type Naming } from '../request-names.ts'

export function createTagsHandler(content: ContentSource, naming: Naming): Handler {
  return async (exchange, [rawName]) => {
    const { asked, repository } = naming(exchange, rawName)
    const page = pageIn(exchange)
    const found = await content.listTags(repository, page, exchange.signal)
    if (found === undefined) {
      throw new RegistryError('NAME_UNKNOWN', 'repository name not known to registry', { detail: { name: asked } })
    }
    answerNames(exchange, nextPage(exchange, page, found), { name: asked }, 'tags', found.items)
  }
}

/** Throws RegistryError PAGINATION_NUMBER_INVALID. */
export function pageIn(exchange: Exchange): Page {
  const query = new URLSearchParams(exchange.query)
  return parsePage({ n: query.get('n') ?? undefined, last: query.get('last') ?? undefined })
}

/** The Link header, on the path that was asked and with its `ns`, so that it holds behind any prefix and proxy. Nothing on the last page. */
export function nextPage(exchange: Exchange, page: Page, found: PageOf<string>): string[] {
  const last = found.items.at(-1)
  if (!found.more || last === undefined) return []
  const n = Math.min(page.n ?? found.items.length, found.items.length)
  return ['Link', formatNextLink(exchange.path, last, n, namespaceIn(exchange.query))]
}
