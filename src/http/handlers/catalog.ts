// The repositories of this registry, in pages: distribution's own `_catalog`.
import type { Catalog } from '../../content.ts'
import { RegistryError } from '../../oci/errors.ts'
import { answerNames, type Handler } from '../exchange.ts'
import { nextPage, pageIn } from './tags.ts'

/** Without a catalog (Docker Hub has none) the operation is unsupported. Who asks for more than `maxEntries` at once is refused. */
export function createCatalogHandler(catalog: Catalog | undefined, maxEntries: number): Handler {
  return async (exchange) => {
    if (catalog === undefined) throw new RegistryError('UNSUPPORTED', 'The operation is unsupported.')
    const page = pageIn(exchange)
    if (page.n !== undefined && page.n > maxEntries) {
      throw new RegistryError('PAGINATION_NUMBER_INVALID', 'invalid number of results requested', { detail: { n: page.n } })
    }
    const found = await catalog.listRepositories(page, exchange.signal)
    answerNames(exchange, nextPage(exchange, page, found), {}, 'repositories', found.items)
  }
}
