// Requests as a scrape shows them, beside what Debian's docker-registry shows of the same requests.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { digestOf } from '../support/images.ts'
import { needsPackages } from '../support/packages.ts'
import { startRegistry } from '../support/registry.ts'
import { startDockerRegistry } from '../support/servers/docker-registry.ts'
import { until } from '../support/until.ts'
import { type Scrape, scrape } from './scrape.ts'

const http = { addr: '127.0.0.1:0', debug: { addr: '127.0.0.1:0', prometheus: { enabled: true } } }
const manifestType = 'application/vnd.oci.image.manifest.v1+json'

/** An image that is pushed, pulled, asked for in vain; lists. */
async function useRegistry(url: string): Promise<void> {
  const config = Buffer.from('{}')
  const digest = digestOf(config)
  const begun = await fetch(`${url}/v2/a/b/blobs/uploads/`, { method: 'POST' })
  const place = new URL(begun.headers.get('location') ?? '', url)
  const patched = await fetch(place, { method: 'PATCH', body: config, headers: { 'content-type': 'application/octet-stream' } })
  const end = new URL(patched.headers.get('location') ?? '', url)
  end.searchParams.set('digest', digest)
  assert.equal((await fetch(end, { method: 'PUT' })).status, 201)
  const descriptor = { mediaType: 'application/vnd.oci.image.config.v1+json', digest, size: config.length }
  const body = JSON.stringify({ schemaVersion: 2, mediaType: manifestType, config: descriptor, layers: [] })
  const headers = { 'content-type': manifestType, accept: manifestType }
  assert.equal((await fetch(`${url}/v2/a/b/manifests/c`, { method: 'PUT', body, headers })).status, 201)
  for (const [method, path] of [
    ['GET', '/v2/a/b/manifests/c'],
    ['GET', '/v2/a/b/manifests/c'],
    ['HEAD', '/v2/a/b/manifests/c'],
    ['GET', '/v2/a/b/manifests/none'],
    ['GET', `/v2/a/b/blobs/${digest}`],
    ['GET', '/v2/a/b/tags/list'],
    ['GET', '/v2/_catalog'],
    ['GET', '/v2/'],
  ] as const) {
    await (await fetch(`${url}${path}`, { method, headers })).arrayBuffer()
  }
}

function samplesOf({ text }: Scrape, pattern: RegExp): string[] {
  return text
    .split('\n')
    .filter((line) => pattern.test(line))
    .map((line) => line.replace(/\{(.*)\}/, (_, labels: string) => `{${labels.split(',').toSorted().join(',')}}`))
    .toSorted()
}

function boundsIn(scraped: Scrape, pattern: RegExp): Set<number> {
  return new Set(samplesOf(scraped, pattern).map((line) => Number((/le="([^"]+)"/.exec(line)?.[1] ?? '').replace('+Inf', 'Infinity'))))
}

describe('requests', await needsPackages('metrics beside docker-registry', ['docker-registry']), () => {
  test('are counted as docker-registry counts them', async () => {
    await using theirs = await startDockerRegistry({ debug: true })
    await using ours = await startRegistry({ config: { http } })
    await useRegistry(theirs.url)
    await useRegistry(ours.url)
    await until('all are over', async () => (await scrape(`${ours.debugUrl}/metrics`)).sum('registry_http_requests_total') === 12)
    const [their, our] = [await scrape(`${theirs.debugUrl}/metrics`), await scrape(`${ours.debugUrl}/metrics`)]
    assert.deepEqual(samplesOf(our, /^registry_http_requests_total/), samplesOf(their, /^registry_http_requests_total/))
    const counts = /^registry_http_\w+_count/
    assert.deepEqual(samplesOf(our, counts), samplesOf(their, counts))
    // Theirs counts no body of what it answers with an error, and wraps errors otherwise.
    const sums = /^registry_http_response_size_bytes_sum.*"(?:blob|base|tags|catalog)"/
    assert.deepEqual(samplesOf(our, sums), samplesOf(their, sums))
    const bounds = /^registry_http_(?:request_duration_seconds|response_size_bytes)_bucket.*handler="manifest"/
    assert.deepEqual(boundsIn(our, bounds), boundsIn(their, bounds))
    assert.ok(our.shapes.has('registry_storage_action_seconds_count{action,driver}'))
    assert.equal(our.sum('registry_storage_action_seconds_count', { driver: 'filesystem', action: 'Move' }) > 0, true)
  })
})

test('a scrape has what Node knows of itself, and no more than it was asked for', async () => {
  await using registry = await startRegistry({ config: { http } })
  const { shapes } = await scrape(`${registry.debugUrl}/metrics`)
  assert.ok(shapes.has('nodejs_eventloop_lag_p99_seconds{}'))
  assert.ok(shapes.has('process_resident_memory_bytes{}'))
  await using silent = await startRegistry({ config: { http: { ...http, debug: { addr: '127.0.0.1:0' } } } })
  assert.equal((await fetch(`${silent.debugUrl}/metrics`)).status, 404)
})

test('methods and paths that clients make up do not make series', async () => {
  await using registry = await startRegistry({ config: { http } })
  for (const method of ['LOCK', 'MKCOL', 'PROPFIND', 'SEARCH'])
    await (await fetch(`${registry.url}/made/up/${method}`, { method })).arrayBuffer()
  const names = async () => samplesOf(await scrape(`${registry.debugUrl}/metrics`), /^registry_http_requests_total/)
  await until('they are counted', async () => (await names())[0]?.endsWith(' 4') === true)
  assert.deepEqual(await names(), ['registry_http_requests_total{code="404",handler="unknown",method="unknown"} 4'])
})
