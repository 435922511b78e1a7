// A scripted day at the mirror: what a scrape says is what the stand-in Hub's ledger says, to the byte.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gate, layerIn, type Scene, startScene } from '../scenarios/scene.ts'
import { ociImage } from '../support/images.ts'
import { until } from '../support/until.ts'
import { type Scrape, scrape } from './scrape.ts'

const http = { addr: '127.0.0.1:0', debug: { addr: '127.0.0.1:0', prometheus: { enabled: true } } }

/** When all that was asked so far is counted. */
async function scraped({ registry, hub }: Scene, requests: number): Promise<Scrape> {
  const look = () => scrape(`${registry.debugUrl}/metrics`)
  await until('all requests are over', async () => (await look()).sum('registry_http_requests_total') === requests)
  await until('all fills are over', async () => (await look()).sum('entrepot_fills_in_flight') === 0)
  await until('the Hub is done', () => hub.ledger.every((entry) => entry.done))
  return look()
}

test('requests and bytes are those of the ledger, hits and misses those of X-Cache', async () => {
  await using scene = await startScene({ config: { http } })
  const { hub, manifest, blob } = scene
  const image = ociImage({ seed: 1, layers: 2, layerBytes: 700_000 })
  hub.add('some', image, { tags: ['1'] })
  const verdicts: unknown[] = []
  let served = 0
  for (let round = 0; round < 3; round += 1) {
    for (const reference of ['1', image.manifest.digest]) {
      const reply = await manifest('library/some', reference)
      verdicts.push(`manifest ${reply.headers['x-cache']}`)
      served += reply.body.length
    }
    for (const digest of image.blobs.keys()) {
      const reply = await blob('library/some', digest)
      verdicts.push(`blob ${reply.headers['x-cache']}`)
      served += reply.body.length
    }
  }
  const seen = await scrape(`${scene.registry.debugUrl}/metrics`)
  const metrics = await scraped(scene, seen.sum('registry_http_requests_total'))
  for (const code of new Set(hub.ledger.map(({ status }) => String(status)))) {
    const inLedger = hub.count({ status: Number(code) })
    assert.equal(metrics.sum('entrepot_upstream_requests_total', { code }), inLedger, hub.describeLedger())
  }
  assert.equal(metrics.sum('entrepot_upstream_requests_total'), hub.ledger.length)
  assert.equal(metrics.sum('entrepot_fetched_bytes_total', { kind: 'blob' }), hub.bytesSent({ kind: 'cdn' }))
  const manifestBytes = hub.bytesSent({ kind: 'manifest', method: 'GET', status: 200 })
  assert.equal(metrics.sum('entrepot_fetched_bytes_total', { kind: 'manifest' }), manifestBytes)
  assert.equal(metrics.sum('registry_proxy_pulled_bytes_total', { type: 'blob' }), hub.bytesSent({ kind: 'cdn' }))

  assert.equal(metrics.sum('entrepot_served_bytes_total'), served)
  for (const kind of ['manifest', 'blob']) {
    for (const verdict of ['hit', 'miss', 'filling', 'revalidated']) {
      const expected = verdicts.filter((each) => each === `${kind} ${verdict}`).length
      assert.equal(metrics.sum('entrepot_pulls_total', { kind, verdict }), expected, `${kind} ${verdict}`)
    }
  }
  assert.equal(metrics.sum('registry_proxy_misses_total', { type: 'manifest' }), 1)
  const missed = verdicts.filter((each) => each === 'blob miss' || each === 'blob filling').length
  assert.equal(metrics.sum('registry_proxy_misses_total', { type: 'blob' }), missed)
  const fills = ['started', 'completed', 'joined', 'failed'].map((event) => metrics.sum('entrepot_fills_total', { event }))
  assert.deepEqual(fills, [image.blobs.size, image.blobs.size, verdicts.filter((each) => each === 'blob filling').length, 0])
  assert.equal(metrics.sum('entrepot_revalidations_total', { cause: 'cold', outcome: 'new' }), 1)
  assert.equal(metrics.sum('entrepot_revalidations_total', { cause: 'expired', outcome: 'unchanged' }), 2)
  assert.equal(metrics.sum('entrepot_time_to_first_byte_seconds_count'), metrics.sum('entrepot_pulls_total'))
})

test('an outage, its stale answers and the open circuit are shown', async () => {
  await using scene = await startScene({ config: { http } })
  const { hub, manifest, registry } = scene
  const image = ociImage({ seed: 2 })
  hub.add('some', image, { tags: ['1'] })
  await manifest('library/some', '1')
  hub.script([{ on: { at: 'registry' }, status: 503, times: Infinity }])
  for (let at = 0; at < 6; at += 1) assert.equal((await manifest('library/some', '1')).headers['x-cache'], 'stale')
  const metrics = await scrape(`${registry.debugUrl}/metrics`)
  assert.equal(metrics.sum('entrepot_stale_total', { cause: 'upstream is unavailable' }), 6)
  assert.deepEqual([metrics.sum('entrepot_outages_total'), metrics.sum('entrepot_upstream_down')], [1, 1])
  assert.equal(metrics.sum('entrepot_breaker_open', { state: 'open' }), 1)
})

test('a fill that is joined, resumed, or fails is counted as such', async () => {
  await using scene = await startScene({ config: { http } })
  const { hub, openBlob, registry, arrived } = scene
  const image = ociImage({ seed: 3, layerBytes: 2_000_000 })
  const { digest } = layerIn(image)
  hub.add('some', image, { tags: ['1'] })
  const held = gate()
  hub.script([{ on: { kind: 'cdn' }, holdUntil: held.opened, cutAfterBytes: 900_000 }])
  const opening = [openBlob('library/some', digest), openBlob('library/some', digest)] as const
  await hub.seen({ kind: 'cdn' })
  await arrived()
  held.open()
  const [first, second] = await Promise.all(opening)
  await Promise.all([first.readTo(2_000_000), second.readTo(2_000_000)])
  const metrics = await scrape(`${registry.debugUrl}/metrics`)
  const fills = ['started', 'joined', 'resumed'].map((event) => metrics.sum('entrepot_fills_total', { event }))
  assert.deepEqual(fills, [1, 1, 1])
})
