// Spans of requests, when the environment asks for them. Part of compose.
import type { RequestObserver } from '../http/request-hooks.ts'
import { routeOf } from '../http/route-names.ts'
import type { Log } from '../telemetry/log.ts'
import type { RequestParts } from '../telemetry/request-parts.ts'
import { openTracing } from '../telemetry/tracing.ts'

/** None without OTEL_EXPORTER_OTLP_ENDPOINT. */
export async function openSpans(
  requestParts: RequestParts,
  userAgent: string,
  log: Log,
  building: AsyncDisposableStack,
): Promise<readonly RequestObserver[]> {
  const tracing = await openTracing(process.env, userAgent.replace(/^.*\//, ''), log)
  if (tracing === undefined) return []
  building.use(tracing)
  return [
    (exchange) => {
      const { req, res, requestId, startedAt, elapsedMs, repository, reference, descriptor, provenance } = exchange
      const { traceparent } = req.headers
      tracing.add({
        name: `${req.method} ${routeOf(exchange.path)}`,
        startedAt,
        endedAt: startedAt + elapsedMs,
        attributes: {
          'http.request.method': req.method ?? '',
          'url.path': exchange.path,
          'http.response.status_code': res.statusCode,
          'http.response.body.size': exchange.bodyBytes,
          'entrepot.request': requestId,
          ...(repository === undefined ? {} : { 'entrepot.repository': repository, 'entrepot.reference': reference ?? '' }),
          ...(descriptor === undefined ? {} : { 'entrepot.digest': descriptor.digest }),
          ...(provenance === undefined ? {} : { 'entrepot.verdict': provenance.verdict }),
        },
        isFailed: res.statusCode >= 500,
        traceparent: typeof traceparent === 'string' ? traceparent : undefined,
        parts: requestParts.of(req),
      })
    },
  ]
}
