// The repositories of this registry, in pages: distribution's own `_catalog`.
import type { Catalog } from '../../content.ts'
import { RegistryError } from '../../oci/errors.ts'
import { answerJson, type Handler } from '../exchange.ts'
import { nextPage, pageIn } from './tags.ts'

/** Without a catalog (Docker Hub has none) the operation is unsupported. */
export function createCatalogHandler(catalog: Catalog | undefined): Handler {
  return async (exchange) => {
    if (catalog === undefined) throw new RegistryError('UNSUPPORTED', 'The operation is unsupported.')
    const page = pageIn(exchange)
    const found = await catalog.listRepositories(page, exchange.signal)
    answerJson(exchange, 200, nextPage(exchange, page, found), { repositories: found.items })
  }
}
