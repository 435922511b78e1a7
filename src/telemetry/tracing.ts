// OpenTelemetry, when OTEL_EXPORTER_OTLP_ENDPOINT (or its variant for traces) is set: one span for each request, made when it is
// over, as a child of the caller's, and one within it for each thing that it waited for. The packages are optional and are not even looked for otherwise.
import type { Log } from './log.ts'
import type { RequestPart } from './request-parts.ts'

export interface RequestSpan {
  /** `GET manifest`. */
  readonly name: string
  readonly startedAt: number
  readonly endedAt: number
  readonly attributes: Readonly<Record<string, string | number>>
  readonly isFailed: boolean
  /** Of the request: W3C Trace Context. */
  readonly traceparent: string | undefined
  /** What it waited for. */
  readonly parts: readonly RequestPart[]
}

export interface Tracing extends AsyncDisposable {
  /** Never throws. */
  add(span: RequestSpan): void
}

type Environment = Readonly<Record<string, string | undefined>>

export function isTracingWanted(env: Environment): boolean {
  if (env['OTEL_SDK_DISABLED'] === 'true' || env['OTEL_TRACES_EXPORTER'] === 'none') return false
  return (env['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT'] ?? env['OTEL_EXPORTER_OTLP_ENDPOINT'] ?? '') !== ''
}

/** `undefined`: not wanted, or its packages are not installed, which is said in the log. */
export async function openTracing(env: Environment, version: string, log: Log): Promise<Tracing | undefined> {
  if (!isTracingWanted(env)) return undefined
  try {
    return await load(version)
  } catch (error) {
    const packages = '@opentelemetry/api, @opentelemetry/sdk-trace and @opentelemetry/exporter-trace-otlp-http'
    log.error({ error }, `OTEL_EXPORTER_OTLP_ENDPOINT is set, but there is no tracing: install ${packages}`)
    return undefined
  }
}

async function load(version: string): Promise<Tracing> {
  const { ROOT_CONTEXT, SpanKind, SpanStatusCode, TraceFlags, trace } = await import('@opentelemetry/api')
  const { BatchSpanProcessor, TracerProvider } = await import('@opentelemetry/sdk-trace')
  const { OTLPTraceExporter } = await import('@opentelemetry/exporter-trace-otlp-http')
  const processor = new BatchSpanProcessor({ exporter: new OTLPTraceExporter() })
  const provider = new TracerProvider({ spanProcessors: [processor] })
  const tracer = provider.getTracer('entrepot', version)
  const parentOf = (traceparent: string | undefined) => {
    const [, traceId, spanId, flags] = /^[\da-f]{2}-([\da-f]{32})-([\da-f]{16})-([\da-f]{2})$/.exec(traceparent ?? '') ?? []
    if (traceId === undefined || spanId === undefined) return ROOT_CONTEXT
    const traceFlags = Number.parseInt(flags ?? '', 16) & TraceFlags.SAMPLED
    return trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags, isRemote: true })
  }
  return {
    add({ name, startedAt, endedAt, attributes, isFailed, traceparent, parts }) {
      const options = { kind: SpanKind.SERVER, startTime: startedAt, attributes: { ...attributes } }
      const span = tracer.startSpan(name, options, parentOf(traceparent))
      const within = trace.setSpan(ROOT_CONTEXT, span)
      for (const part of parts) {
        const partOptions = { kind: SpanKind.CLIENT, startTime: part.startedAt, attributes: { ...part.attributes } }
        tracer.startSpan(part.name, partOptions, within).end(part.endedAt)
      }
      if (isFailed) span.setStatus({ code: SpanStatusCode.ERROR })
      span.end(endedAt)
    },
    [Symbol.asyncDispose]: () => provider.shutdown(),
  }
}
