// Spans as a collector gets them.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { describe, it, test } from 'node:test'
import { silentLog } from '../../src/telemetry/log.ts'
import { isTracingWanted, openTracing } from '../../src/telemetry/tracing.ts'
import { patientRedis, startReplicas } from '../scenarios/replicas/replicas.ts'
import { startHub } from '../support/hub/hub.ts'
import { ociImage } from '../support/images.ts'
import { needsPackages } from '../support/packages.ts'
import { pull } from '../support/pull.ts'

interface Span {
  readonly name: string
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId?: string
  readonly startTimeUnixNano: string
  readonly attributes: { key: string; value: { stringValue?: string; intValue?: number } }[]
}

/** Spans that come in, by their names; the environment asks for them meanwhile. */
async function startCollector() {
  const bodies: string[] = []
  const server = createServer((req, res) => {
    void text(req).then((body) => {
      bodies.push(body)
      res.writeHead(200, { 'content-type': 'application/json' }).end('{}')
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  process.env['OTEL_EXPORTER_OTLP_ENDPOINT'] = url
  const spans = () =>
    bodies.flatMap((body) =>
      (JSON.parse(body) as { resourceSpans: { scopeSpans: { spans: Span[] }[] }[] }).resourceSpans.flatMap(({ scopeSpans }) =>
        scopeSpans.flatMap((scope) => scope.spans),
      ),
    )
  return {
    url,
    spans,
    [Symbol.asyncDispose]: async () => {
      delete process.env['OTEL_EXPORTER_OTLP_ENDPOINT']
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

test('a request and what it waited for reach the collector, below the span of who asked', async () => {
  await using collector = await startCollector()
  const tracing = await openTracing({ OTEL_EXPORTER_OTLP_ENDPOINT: collector.url }, '1', silentLog)
  const traceId = 'ab'.repeat(16)
  const traceparent = `00-${traceId}-${'cd'.repeat(8)}-01`
  const parts = [{ name: 'upstream GET', startedAt: 1_000_000, endedAt: 1_000_040, attributes: { 'server.address': 'hub' } }]
  const span = { name: 'GET manifest', startedAt: 1_000_000, endedAt: 1_000_050, isFailed: false, parts }
  tracing?.add({ ...span, attributes: { 'entrepot.verdict': 'miss' }, traceparent })
  await tracing?.[Symbol.asyncDispose]()
  const spans = collector.spans()
  const [request, upstream] = [spans.find(({ name }) => name === 'GET manifest'), spans.find(({ name }) => name === 'upstream GET')]
  assert.deepEqual([request?.traceId, request?.parentSpanId], [traceId, 'cd'.repeat(8)])
  assert.deepEqual([upstream?.traceId, upstream?.parentSpanId], [traceId, request?.spanId])
  assert.deepEqual(request?.attributes, [{ key: 'entrepot.verdict', value: { stringValue: 'miss' } }])
})

const replicated = 'spans of replicas'

describe(replicated, await needsPackages(replicated, ['redis-server']), () => {
  it('a pull that misses has its exchanges with upstream, its actions of the store and its leases, and a hit has none of upstream', async () => {
    await using collector = await startCollector()
    {
      await using hub = await startHub({ auth: 'none' })
      const image = ociImage({ seed: 'traced' })
      hub.add('library/app', image, { tags: ['1'] })
      await using replicas = await startReplicas({ upstream: hub.url, redisKeys: patientRedis, proxy: { tags: { ttl: '1h' } } })
      const [blob = ''] = image.blobs.keys()
      for (const path of ['manifests/1', `blobs/${blob}`, 'manifests/1']) {
        assert.equal((await pull(`${replicas.a.url}/v2/library/app/${path}`)).status, 200)
      }
    }
    // Stopping has sent them all.
    const spans = collector.spans()
    const within = (request: Span | undefined) => [
      ...new Set(spans.filter(({ parentSpanId }) => request !== undefined && parentSpanId === request.spanId).map(({ name }) => name)),
    ]
    const [miss, hit] = spans
      .filter(({ name }) => name === 'GET manifest')
      .toSorted((a, b) => (a.startTimeUnixNano < b.startTimeUnixNano ? -1 : 1))
    const missed = within(miss)
    for (const name of ['upstream HEAD', 'upstream GET', 'store PutContent', 'lease'])
      assert.ok(missed.includes(name), `${name}: ${missed}`)
    const filled = within(spans.find(({ name }) => name === 'GET blob'))
    for (const name of ['upstream GET', 'lease']) assert.ok(filled.includes(name), `${name}: ${filled}`)
    assert.ok(hit !== undefined)
    assert.deepEqual(
      within(hit).filter((name) => name.startsWith('upstream')),
      [],
    )
  })
})

test('nothing is loaded unless the environment asks for it', async () => {
  assert.equal(await openTracing({}, '1', silentLog), undefined)
  assert.equal(isTracingWanted({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://x', OTEL_TRACES_EXPORTER: 'none' }), false)
  assert.equal(isTracingWanted({ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://x' }), true)
})
