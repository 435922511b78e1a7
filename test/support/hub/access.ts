// Who may ask the stand-in registry what: challenges, tokens, Basic credentials.
import { createHash } from 'node:crypto'
import { type Answer, apiVersion, errorAnswer, jsonAnswer } from './answer.ts'
import type { Exchange } from './exchange.ts'
import { basicOf, type State } from './state.ts'

type Flaw = 'invalid_token' | 'insufficient_scope'

function scopeOf(exchange: Exchange): string | undefined {
  if (exchange.target.kind === 'catalog') return 'registry:catalog:*'
  const { repository } = exchange.target
  return repository === undefined ? undefined : `repository:${repository}:pull`
}

function challengeOf(state: State, exchange: Exchange, flaw: Flaw | undefined): string {
  if (state.settings.auth === 'basic') return 'Basic realm="Registry Realm"'
  const realm = state.settings.realm ?? `${state.urls.auth}/token`
  const scope = scopeOf(exchange)
  return [
    `Bearer realm="${realm}",service="registry.docker.io"`,
    ...(scope === undefined ? [] : [`scope="${scope}"`]),
    ...(flaw === undefined ? [] : [`error="${flaw}"`]),
  ].join(',')
}

/** The registry's 401, with the challenge that this request calls for. */
export function challengeAnswer(state: State, exchange: Exchange, flaw?: Flaw): Answer {
  const { repository } = exchange.target
  const headers = {
    'WWW-Authenticate': challengeOf(state, exchange, flaw),
    ...apiVersion,
    'Strict-Transport-Security': 'max-age=31536000',
    ...(repository === undefined ? {} : { 'Docker-RateLimit-Source': exchange.clientAddress }),
  }
  const detail = repository === undefined ? null : [{ Type: 'repository', Class: '', Name: repository, Action: 'pull' }]
  const error =
    flaw === 'insufficient_scope'
      ? { code: 'DENIED', message: 'requested access to the resource is denied', detail }
      : { code: 'UNAUTHORIZED', message: 'authentication required', detail }
  return jsonAnswer(401, { errors: [error] }, headers)
}

/** Missing repositories look like forbidden ones to all but their owner. */
function missing(exchange: Exchange): Answer {
  return errorAnswer(404, 'NAME_UNKNOWN', 'repository name not known to registry', { name: exchange.target.repository })
}

function byBasic(state: State, exchange: Exchange): Answer | undefined {
  const credentials = basicOf(exchange.headers.authorization)
  const account = credentials === undefined ? undefined : state.login(credentials.user, credentials.password)
  if (account === undefined) return challengeAnswer(state, exchange)
  exchange.entry.account = account.user
  const { repository } = exchange.target
  return repository === undefined || state.mayPull(account.user, repository) ? undefined : missing(exchange)
}

function byToken(state: State, exchange: Exchange): Answer | undefined {
  const sent = /^bearer +(.+)$/i.exec(exchange.headers.authorization ?? '')?.[1]
  if (sent === undefined) return challengeAnswer(state, exchange)
  const token = state.tokens.get(sent)
  if (token === undefined || token.expiresAt <= state.now()) return challengeAnswer(state, exchange, 'invalid_token')
  if (token.account !== undefined) exchange.entry.account = token.account
  const { kind, repository } = exchange.target
  if (kind === 'catalog') return challengeAnswer(state, exchange, 'insufficient_scope')
  if (repository === undefined || token.repositories.has(repository)) return undefined
  return challengeAnswer(state, exchange, 'insufficient_scope')
}

/** The refusal of a request, or `undefined` if it may go on. Notes the account in the ledger. */
export function refusalOf(state: State, exchange: Exchange): Answer | undefined {
  const refusal = { basic: byBasic, bearer: byToken, none: () => undefined }[state.settings.auth](state, exchange)
  if (refusal !== undefined) return refusal
  const { repository } = exchange.target
  return repository !== undefined && state.content.find(repository) === undefined ? missing(exchange) : undefined
}

/** An opaque md5 as the CDNs put into ETag: the same for the same digest. */
export function etagOf(digest: string): string {
  return `"${createHash('md5').update(digest).digest('hex')}"`
}
