// The stand-in registry's table: which question is answered by whom, after access was checked.
import { refusalOf } from './access.ts'
import { type Answer, answerOf, apiVersion, errorAnswer, jsonAnswer } from './answer.ts'
import { answerBlob } from './blobs.ts'
import type { Repository } from './content.ts'
import type { Exchange } from './exchange.ts'
import { answerReferrers, answerSearch, answerTags } from './lists.ts'
import { answerManifest } from './manifests.ts'
import type { State } from './state.ts'

const ofRepository: Readonly<Record<string, (state: State, exchange: Exchange, repository: Repository) => Answer>> = {
  manifest: answerManifest,
  blob: answerBlob,
  tags: answerTags,
  referrers: answerReferrers,
}

export function answerRegistry(state: State, exchange: Exchange): Answer {
  const { kind, repository: name } = exchange.target
  if (kind === 'search') return answerSearch(state, exchange)
  if (kind === 'other') return answerOf(404, { 'Content-Type': 'text/plain' }, '404 page not found\n')
  const refusal = refusalOf(state, exchange)
  if (refusal !== undefined) return refusal
  if (exchange.method !== 'GET' && exchange.method !== 'HEAD') return errorAnswer(405, 'UNSUPPORTED', 'The operation is unsupported.')
  if (kind === 'ping') return answerOf(200, { 'Content-Type': 'application/json', ...apiVersion }, '{}')
  if (kind === 'catalog') return jsonAnswer(200, { repositories: [...state.content.repositories.keys()].sort() }, apiVersion)
  const repository = state.content.find(name ?? '')
  const answer = ofRepository[kind]
  if (repository === undefined || answer === undefined) return errorAnswer(404, 'NAME_UNKNOWN', 'repository name not known to registry')
  return answer(state, exchange, repository)
}
