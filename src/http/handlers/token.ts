// Where this server itself gives tokens (distribution's token specification, "Requesting a Token"): to whoever proves who he is, and
// to nobody in particular.
import type { Credentials, Issued, TokenEndpoint } from '../../auth/access.ts'
import { answerJson, type Exchange, type Handler } from '../exchange.ts'
import { answerRefusal } from '../middleware/authenticate.ts'
import { answerRefused } from './refused.ts'

/** By GET only: clients that ask by POST fall back to it. */
export function createTokenHandler(endpoint: TokenEndpoint, credentialsOf: (exchange: Exchange) => Credentials): Handler {
  return (exchange) => {
    if (exchange.req.method !== 'GET') return answerRefused(exchange, 'GET')
    const issued = endpoint.issue(credentialsOf(exchange))
    return issued instanceof Promise ? issued.then((later) => answerIssued(exchange, later)) : answerIssued(exchange, issued)
  }
}

function answerIssued(exchange: Exchange, issued: Issued): void {
  if (issued.kind !== 'issued') return answerRefusal(exchange, [], issued)
  const { token, expiresInSeconds, issuedAt } = issued
  answerJson(exchange, 200, ['Cache-Control', 'no-store'], {
    token,
    access_token: token,
    expires_in: expiresInSeconds,
    issued_at: new Date(issuedAt).toISOString(),
  })
}
