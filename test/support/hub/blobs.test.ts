// Blobs at the stand-in Hub: redirects, signatures, ranges, and what its CDNs refuse.
import assert from 'node:assert/strict'
import { afterEach, beforeEach, test } from 'node:test'
import { digestOf, ociImage } from '../images.ts'
import { HubClient } from './client.ts'
import { type Hub, startHub } from './hub.ts'

let hub: Hub
let client: HubClient
const image = ociImage({ seed: 'blobs', layers: 2 })
const [, layer = ''] = [...image.blobs.keys()]

beforeEach(async () => {
  hub = await startHub()
  client = new HubClient(hub)
  hub.add('alpine', image)
})
afterEach(async () => {
  await client[Symbol.asyncDispose]()
  await hub.close()
})

test('a blob is redirected to one of two CDNs, whose URL works once and for a while', async () => {
  const redirect = await client.pull('library/alpine', `blobs/${layer}`)
  assert.deepEqual([redirect.status, redirect.headers['content-length']], [307, '0'])
  const url = redirect.headers['location'] ?? ''
  const reply = await client.ask(url)
  assert.equal(digestOf(reply.body), layer)
  assert.equal(reply.headers['docker-content-digest'], undefined)
  assert.match(reply.headers['etag'] ?? '', /^"[0-9a-f]{32}"$/)
  const again = await client.ask(url)
  assert.deepEqual([again.status, again.headers['content-type']], [403, 'application/xml'])
  const late = await client.signedUrl('library/alpine', layer)
  hub.advance(1200)
  assert.equal((await client.ask(late)).status, 403)
  for (let turn = 0; turn < 20; turn += 1) await client.blob('library/alpine', layer)
  assert.ok(hub.count({ at: 'cdn-a' }) > 0 && hub.count({ at: 'cdn-b' }) > 0, 'both are used')
  hub.settings.redirect = 302
  assert.equal((await client.pull('library/alpine', `blobs/${layer}`)).status, 302)
  hub.settings.redirect = 'none'
  assert.equal(digestOf((await client.pull('library/alpine', `blobs/${layer}`)).body), layer)
})

test('HEAD of a blob tells size and digest, or is redirected like GET; a CDN refuses HEAD and Authorization', async () => {
  const head = await client.pull('library/alpine', `blobs/${layer}`, { method: 'HEAD' })
  assert.deepEqual([head.status, head.headers['docker-content-digest']], [200, layer])
  assert.equal(head.headers['content-length'], String(image.blobs.get(layer)?.size))
  hub.settings.blobHead = 307
  assert.equal((await client.pull('library/alpine', `blobs/${layer}`, { method: 'HEAD' })).status, 307)
  assert.equal((await client.blob('library/alpine', layer, { method: 'HEAD' })).status, 403)
  const leaked = await client.blob('library/alpine', layer, { headers: { authorization: 'Bearer x' } })
  assert.equal(leaked.status, 400)
  assert.match(leaked.body.toString(), /<Code>InvalidRequest<\/Code>/)
})

test('a CDN serves single ranges, several as the whole, none beyond the end, and gzip when asked to be a nuisance', async () => {
  const whole = (await client.blob('library/alpine', layer)).body
  const range = async (value: string) => client.blob('library/alpine', layer, { headers: { range: value } })
  const middle = await range('bytes=10-19')
  assert.deepEqual([middle.status, middle.headers['content-range']], [206, `bytes 10-19/${whole.length}`])
  assert.deepEqual(middle.body, whole.subarray(10, 20))
  assert.deepEqual((await range('bytes=100-')).body, whole.subarray(100))
  assert.deepEqual((await range('bytes=-7')).body, whole.subarray(-7))
  assert.deepEqual((await range('bytes=0-1,5-6')).body, whole)
  const beyond = await range(`bytes=${whole.length}-`)
  assert.deepEqual([beyond.status, beyond.headers['content-range']], [416, `bytes */${whole.length}`])
  const changed = await client.blob('library/alpine', layer, { headers: { range: 'bytes=10-19', 'if-range': '"other"' } })
  assert.equal(changed.status, 200)
  hub.settings.cdnGzip = true
  assert.equal((await client.blob('library/alpine', layer, { headers: { 'accept-encoding': 'gzip' } })).headers['content-encoding'], 'gzip')
  assert.deepEqual((await client.blob('library/alpine', layer, { headers: { 'accept-encoding': 'identity' } })).body, whole)
})

test('an image may have a blob of no bytes, and one of 32 that everybody knows', async () => {
  const odd = ociImage({ seed: 'odd', emptyLayer: true, zeroByteBlob: true })
  hub.add('alpine', odd)
  const empty = await client.blob('library/alpine', digestOf(Buffer.alloc(0)))
  assert.deepEqual([empty.status, empty.headers['content-length']], [200, '0'])
  const known = await client.blob('library/alpine', 'sha256:a3ed95caeb02ffe68cdd9fd84406680ae93d633cb16422d00e8a7c22955b46d4')
  assert.equal(known.body.length, 32)
})
