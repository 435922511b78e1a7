// Spans as a collector gets them.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { silentLog } from '../../src/telemetry/log.ts'
import { isTracingWanted, openTracing } from '../../src/telemetry/tracing.ts'

interface Span {
  readonly name: string
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId?: string
  readonly attributes: { key: string; value: { stringValue?: string; intValue?: number } }[]
}

test('a request and its wait for upstream reach the collector, below the span of who asked', async () => {
  const bodies: string[] = []
  const server = createServer((req, res) => {
    void text(req).then((body) => {
      bodies.push(body)
      res.writeHead(200, { 'content-type': 'application/json' }).end('{}')
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const url = `http://127.0.0.1:${port}`
  process.env['OTEL_EXPORTER_OTLP_ENDPOINT'] = url
  try {
    const tracing = await openTracing({ OTEL_EXPORTER_OTLP_ENDPOINT: url }, '1', silentLog)
    const traceId = 'ab'.repeat(16)
    const traceparent = `00-${traceId}-${'cd'.repeat(8)}-01`
    const span = { name: 'GET manifest', startedAt: 1_000_000, endedAt: 1_000_050, isFailed: false, upstreamMs: 40 }
    tracing?.add({ ...span, attributes: { 'entrepot.verdict': 'miss' }, traceparent })
    await tracing?.[Symbol.asyncDispose]()
    const spans = bodies.flatMap((body) =>
      (JSON.parse(body) as { resourceSpans: { scopeSpans: { spans: Span[] }[] }[] }).resourceSpans.flatMap(({ scopeSpans }) =>
        scopeSpans.flatMap((scope) => scope.spans),
      ),
    )
    const [request, upstream] = [spans.find(({ name }) => name === 'GET manifest'), spans.find(({ name }) => name === 'upstream')]
    assert.deepEqual([request?.traceId, request?.parentSpanId], [traceId, 'cd'.repeat(8)])
    assert.deepEqual([upstream?.traceId, upstream?.parentSpanId], [traceId, request?.spanId])
    assert.deepEqual(request?.attributes, [{ key: 'entrepot.verdict', value: { stringValue: 'miss' } }])
  } finally {
    delete process.env['OTEL_EXPORTER_OTLP_ENDPOINT']
    server.closeAllConnections()
    server.close()
  }
})

test('nothing is loaded unless the environment asks for it', async () => {
  assert.equal(await openTracing({}, '1', silentLog), undefined)
  assert.equal(isTracingWanted({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://x', OTEL_TRACES_EXPORTER: 'none' }), false)
  assert.equal(isTracingWanted({ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://x' }), true)
})
