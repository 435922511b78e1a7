// Lists at the stand-in registry: tags, referrers, and the searches that Docker clients use.
import { mediaTypes } from '../images.ts'
import { type Answer, answerOf, apiVersion, errorAnswer, jsonAnswer } from './answer.ts'
import type { Repository } from './content.ts'
import type { Exchange } from './exchange.ts'
import type { State } from './state.ts'

/** `GET /v2/<name>/tags/list`: everything without `n`, else pages with a relative Link. */
export function answerTags(state: State, exchange: Exchange, repository: Repository): Answer {
  const all = [...repository.tags.keys()].sort()
  const asked = exchange.query.get('n')
  if (asked === null) return jsonAnswer(200, { name: repository.name, tags: all }, apiVersion)
  const size = Math.min(Number(asked), state.settings.tagsPageLimit)
  const last = exchange.query.get('last') ?? ''
  const rest = all.filter((tag) => tag > last)
  const page = rest.slice(0, size)
  const next = `</v2/${repository.name}/tags/list?last=${encodeURIComponent(page.at(-1) ?? '')}&n=${size}>; rel="next"`
  const link: Record<string, string> = rest.length > page.length ? { Link: next } : {}
  return jsonAnswer(200, { name: repository.name, tags: page }, { ...apiVersion, ...link })
}

/** `GET /v2/<name>/referrers/<digest>`: an index, also of nothing, or 404. */
export function answerReferrers(state: State, exchange: Exchange, repository: Repository): Answer {
  if (state.settings.referrers === 'missing') return errorAnswer(404, 'NOT_FOUND', 'not found')
  const type = exchange.query.get('artifactType')
  const all = repository.referrers.get(exchange.target.digest ?? '') ?? []
  const wanted = type === null ? all : all.filter((descriptor) => descriptor.artifactType === type)
  const from = Number(exchange.query.get('from') ?? 0)
  const end = from + state.settings.referrersPageLimit
  const manifests = wanted.slice(from, end)
  const filtered: Record<string, string> = type === null ? {} : { 'OCI-Filters-Applied': 'artifactType' }
  const query = new URLSearchParams({ ...(type === null ? {} : { artifactType: type }), from: String(end) })
  const link: Record<string, string> = end < wanted.length ? { Link: `<${exchange.path}?${query.toString()}>; rel="next"` } : {}
  const body = JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests })
  return answerOf(200, { 'Content-Type': mediaTypes.ociIndex, ...apiVersion, ...filtered, ...link }, body)
}

/** `GET /v1/search?q=` of index.docker.io, and hub.docker.com's `/v2/namespaces/<ns>/repositories/<name>/tags`. */
export function answerSearch(state: State, exchange: Exchange): Answer {
  const [, namespace, name] = /^\/v2\/namespaces\/([^/]+)\/repositories\/([^/]+)\/tags$/.exec(exchange.path) ?? []
  if (namespace !== undefined) {
    const tags = [...(state.content.find(`${namespace}/${name}`)?.tags.entries() ?? [])]
    const results = tags.map(([tag, digest]) => ({ name: tag, digest }))
    const limits = {
      'X-RateLimit-Limit': '180',
      'X-RateLimit-Remaining': '179',
      'X-RateLimit-Reset': String(Math.floor(state.now() / 1000) + 60),
    }
    return jsonAnswer(200, { count: results.length, next: null, previous: null, results }, limits)
  }
  const wanted = exchange.query.get('q') ?? ''
  const open = [...state.content.repositories.values()].filter((repository) => !repository.isPrivate && repository.name.includes(wanted))
  const results = open.map((repository) => ({
    name: repository.name.replace(/^library\//, ''),
    description: `${repository.name} of the stand-in`,
    star_count: 1,
    is_official: repository.name.startsWith('library/'),
    is_automated: false,
  }))
  const size = Number(exchange.query.get('n') ?? 25)
  const page = { num_pages: 1, num_results: results.length, page_size: size, page: 1, query: wanted, results: results.slice(0, size) }
  return jsonAnswer(200, page)
}
