// The offline switch: no network at all, and everything that is kept.
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { type Hub, startHub } from '../support/hub/hub.ts'
import { ociImage } from '../support/images.ts'
import { errorCodeOf, outcomeOf, pull, type Reply } from '../support/pull.ts'
import { startRegistry } from '../support/registry.ts'
import { layerIn, questionsTo } from './scene.ts'

const image = ociImage({ seed: 'offline', layers: 2 })
const unknown = ociImage({ seed: 'never pulled' })
let hub: Hub
let folder: string

/** A store that was filled while there was a network: `library/app`, and `org/app` of another upstream. */
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'entrepot-test-'))
  hub = await startHub()
  for (const name of ['library/app', 'org/app']) hub.add(name, image, { tags: ['1', '2'] })
  hub.add('org/unknown', unknown, { tags: ['1'] })
  await using filling = await startRegistry({ upstream: hub.url, folder, proxy: proxyWith({ offline: false }) })
  for (const name of ['library/app', 'ghcr.io/org/app']) {
    for (const path of ['manifests/1', ...[...image.blobs.keys()].map((digest) => `blobs/${digest}`)]) {
      assert.equal((await pull(`${filling.url}/v2/${name}/${path}`)).status, 200)
    }
    const { kept } = questionsTo(() => filling)
    for (const digest of image.blobs.keys()) await kept(name, digest)
  }
  hub.clearLedger()
})

after(async () => {
  await hub.close()
  await rm(folder, { recursive: true, force: true })
})

function proxyWith(more: object) {
  return { libraryprefix: true, upstreams: { 'ghcr.io': { remoteurl: hub.url } }, ...more }
}

function offline(more: object = {}) {
  return startRegistry({ upstream: hub.url, folder, proxy: proxyWith({ offline: true, ...more }) })
}

function assertOffline(reply: Reply, code: string): void {
  assert.deepEqual([reply.status, errorCodeOf(reply)], [404, code])
  assert.match(reply.body.toString(), /offline/)
}

test('what is kept is a hit, of each upstream; nobody is asked', async () => {
  await using registry = await offline()
  for (const name of ['app', 'library/app', 'ghcr.io/org/app']) {
    const digest = image.manifest.digest
    for (const reference of ['1', digest]) {
      const reply = await pull(`${registry.url}/v2/${name}/manifests/${reference}`)
      assert.deepEqual(outcomeOf(reply), [200, 'hit', 'whole', digest])
      assert.equal(reply.headers['warning'], undefined)
    }
    for (const blob of image.blobs.keys()) {
      assert.deepEqual(outcomeOf(await pull(`${registry.url}/v2/${name}/blobs/${blob}`)), [200, 'hit', 'whole', blob])
      assert.equal((await pull(`${registry.url}/v2/${name}/blobs/${blob}`, { method: 'HEAD' })).headers['x-cache'], 'hit')
    }
    assert.deepEqual(JSON.parse((await pull(`${registry.url}/v2/${name}/tags/list`)).body.toString()), { name, tags: ['1'] })
  }
  assert.deepEqual(hub.ledger, [])
})

test('what is not kept is 404 and says why; nobody is asked', async () => {
  await using registry = await offline()
  const get = (path: string) => pull(`${registry.url}/v2/${path}`)
  assertOffline(await get('library/app/manifests/2'), 'MANIFEST_UNKNOWN')
  assertOffline(await get(`library/app/manifests/${unknown.manifest.digest}`), 'MANIFEST_UNKNOWN')
  assertOffline(await get(`library/app/blobs/${layerIn(unknown).digest}`), 'BLOB_UNKNOWN')
  assertOffline(await get('org/unknown/tags/list'), 'NAME_UNKNOWN')
  assertOffline(await get(`library/app/referrers/${image.manifest.digest}`), 'MANIFEST_UNKNOWN')
  assert.equal((await get('library/app/manifests/2?ns=quay.io')).status, 404)
  assert.equal((await pull(`${registry.url}/v2/library/app/manifests/2`, { method: 'HEAD' })).status, 404)
  assert.deepEqual(hub.ledger, [])
})

test('content of one upstream is not found under the name of the other', async () => {
  await using registry = await offline()
  assertOffline(await pull(`${registry.url}/v2/org/app/manifests/1`), 'MANIFEST_UNKNOWN')
  assertOffline(await pull(`${registry.url}/v2/org/app/blobs/${layerIn(image).digest}`), 'BLOB_UNKNOWN')
})

test('it starts where no name resolves and no certificate is there', async () => {
  const nowhere = { remoteurl: 'https://registry.invalid', ca: '/nowhere/ca.pem', mirrors: ['https://mirror.invalid'] }
  await using registry = await startRegistry({
    upstream: 'https://nowhere.invalid',
    folder,
    proxy: { ...nowhere, remoteurl: 'https://nowhere.invalid', offline: true, upstreams: { 'ghcr.io': nowhere } },
  })
  const reply = await pull(`${registry.url}/v2/ghcr.io/org/app/manifests/1`)
  assert.deepEqual(outcomeOf(reply), [200, 'hit', 'whole', image.manifest.digest])
})
