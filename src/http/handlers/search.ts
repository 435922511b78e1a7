// `docker search HOST:PORT/term`, which still speaks the first protocol: a ping, and a search over the names in the catalog.
import type { Catalog } from '../../content.ts'
import type { RepositoryName } from '../../oci/names.ts'
import { answerJson, type Handler } from '../exchange.ts'

/** Results per page: as docker asks where it names none, and at most. */
const defaultPageSize = 25
const maxPageSize = 100
/** How many names are taken from the catalog at a time. */
const namesPerLook = 1000

/** docker takes whatever answers this for a registry of the first protocol that can be searched. */
export const answerPing: Handler = (exchange) => {
  answerJson(exchange, 200, ['X-Docker-Registry-Standalone', 'true'], true)
}

/** `q` may stand anywhere in a name, in any case; an empty one finds everything. Pages count from 1. */
export function createSearchHandler(catalog: Catalog): Handler {
  return async (exchange) => {
    const query = new URLSearchParams(exchange.query)
    const term = query.get('q') ?? ''
    const pageSize = Math.min(numberIn(query, 'n') ?? numberIn(query, 'page_size') ?? defaultPageSize, maxPageSize)
    const page = numberIn(query, 'page') ?? 1
    const found = await namesWith(catalog, term.toLowerCase(), exchange.signal)
    answerJson(exchange, 200, [], {
      num_results: found.length,
      query: term,
      results: found.slice((page - 1) * pageSize, page * pageSize).map(resultOf),
      page,
      num_pages: Math.ceil(found.length / pageSize),
      page_size: pageSize,
    })
  }
}

/** What is kept says nothing of stars and descriptions, but clients expect each of the fields. */
function resultOf(name: RepositoryName): object {
  return { name, description: '', star_count: 0, is_official: false, is_automated: false }
}

async function namesWith(catalog: Catalog, term: string, signal: AbortSignal): Promise<RepositoryName[]> {
  const found: RepositoryName[] = []
  let last: string | undefined
  for (;;) {
    const { items, more } = await catalog.listRepositories({ n: namesPerLook, last }, signal)
    found.push(...items.filter((name) => name.toLowerCase().includes(term)))
    last = items.at(-1)
    if (!more || last === undefined) return found
  }
}

/** `undefined` for what is no positive whole number: docker itself never sends one. */
function numberIn(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name) ?? ''
  return /^[1-9]\d{0,8}$/.test(text) ? Number(text) : undefined
}
