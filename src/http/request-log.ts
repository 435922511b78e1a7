// What the log says of a request, the same in every line about it; and one line for each request that was more than a hit: why it
// took its time can then be read. Hits are in the access log, and at level debug here.
import type { Log } from '../telemetry/log.ts'
import type { Exchange } from './exchange.ts'
import type { RequestObserver } from './request-hooks.ts'

export function fieldsOf(exchange: Exchange): Record<string, unknown> {
  const { requestId, req, path, clientAddress, user, repository, reference, descriptor, provenance, upstreamMs } = exchange
  return {
    request: requestId,
    method: req.method,
    path,
    client: clientAddress,
    ...(user === undefined ? {} : { user }),
    ...(repository === undefined ? {} : { repository, reference }),
    ...(descriptor === undefined ? {} : { digest: descriptor.digest }),
    ...(provenance === undefined ? {} : { verdict: provenance.verdict }),
    ...(provenance?.cause === undefined ? {} : { cause: provenance.cause }),
    ...(upstreamMs === undefined ? {} : { upstreamMs: Math.round(upstreamMs) }),
  }
}

/** `level`: of the log. Above info there is nothing to tell. */
export function createRequestLog(log: Log, level: 'error' | 'warn' | 'info' | 'debug'): readonly RequestObserver[] {
  if (level !== 'info' && level !== 'debug') return []
  const tellsAll = level === 'debug'
  return [
    (exchange) => {
      const isHit = exchange.provenance?.verdict === 'hit' || exchange.repository === undefined
      if (isHit && !tellsAll) return
      const { res, bodyBytes, elapsedMs } = exchange
      const fields = { ...fieldsOf(exchange), status: res.statusCode, bytes: bodyBytes, durationMs: Math.round(elapsedMs) }
      if (isHit) log.debug(fields, 'answered')
      else log.info(fields, 'answered')
    },
  ]
}
