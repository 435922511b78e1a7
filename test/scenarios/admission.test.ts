// Repositories that the configuration refuses: 403 at once, cached or not, and nobody upstream hears of it.
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { startHub } from '../support/hub/hub.ts'
import { ociImage } from '../support/images.ts'
import { errorCodeOf, pull, type Reply } from '../support/pull.ts'
import { startRegistry } from '../support/registry.ts'
import { layerIn, startScene } from './scene.ts'

const image = ociImage({ seed: 'admission' })
const layer = layerIn(image).digest

/** Every question about a repository. */
async function askAll(url: string, repository: string, query = ''): Promise<Reply[]> {
  const paths = [
    'manifests/latest',
    `manifests/${image.manifest.digest}`,
    `blobs/${layer}`,
    'tags/list',
    `referrers/${image.manifest.digest}`,
  ]
  return Promise.all(paths.map((path) => pull(`${url}/v2/${repository}/${path}${query}`)))
}

function assertDenied(replies: readonly Reply[]): void {
  for (const reply of replies) {
    assert.deepEqual([reply.status, errorCodeOf(reply)], [403, 'DENIED'])
    assert.equal(reply.headers['www-authenticate'], undefined, 'a challenge would make docker send a login here')
  }
}

test('a denied repository is refused in every question; upstream and its token server are not asked', async () => {
  await using scene = await startScene({ proxy: { repositories: { deny: ['evil/*', '**/secret'] } } })
  for (const name of ['evil/image', 'good/secret', 'good/image']) scene.hub.add(name, image, { tags: ['latest'] })
  // A Hub that says nothing would keep anybody waiting who asks it.
  await scene.hub.mute()
  for (const name of ['evil/image', 'good/secret']) assertDenied(await askAll(scene.registry.url, name))
  const head = await scene.manifest('evil/image', 'latest', { method: 'HEAD' })
  assert.equal(head.status, 403)
  assert.deepEqual([scene.hub.connections('registry').most, scene.hub.connections('auth').most], [0, 0])
  await scene.hub.up()
  assert.equal((await scene.manifest('good/image', 'latest')).status, 200)
})

test('what allow does not name is refused, for each upstream by its host', async () => {
  await using ghcr = await startHub()
  const allow = ['library/*', 'ghcr.io/org/**']
  await using scene = await startScene({ proxy: { repositories: { allow }, upstreams: { 'ghcr.io': { remoteurl: ghcr.url } } } })
  for (const hub of [scene.hub, ghcr]) for (const name of ['library/app', 'org/app']) hub.add(name, image, { tags: ['latest'] })
  const { url } = scene.registry
  assertDenied([
    ...(await askAll(url, 'org/app')),
    ...(await askAll(url, 'library/app', '?ns=ghcr.io')),
    ...(await askAll(url, 'ghcr.io/library/app')),
  ])
  assert.deepEqual([...scene.hub.ledger, ...ghcr.ledger], [])
  for (const path of ['library/app/manifests/latest', 'org/app/manifests/latest?ns=ghcr.io', 'ghcr.io/org/app/manifests/latest']) {
    assert.equal((await pull(`${url}/v2/${path}`)).status, 200, path)
  }
})

test('what is in the cache already is refused as well', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'entrepot-test-'))
  try {
    await using hub = await startHub()
    hub.add('evil/image', image, { tags: ['latest'] })
    {
      await using before = await startRegistry({ upstream: hub.url, folder })
      for (const reply of (await askAll(before.url, 'evil/image')).slice(0, 3)) assert.equal(reply.status, 200)
    }
    hub.clearLedger()
    await using after = await startRegistry({ upstream: hub.url, folder, proxy: { repositories: { deny: ['evil/**'] } } })
    assertDenied(await askAll(after.url, 'evil/image'))
    assert.deepEqual(hub.ledger, [])
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})

test('a blob of a denied repository is not mounted into what is ours: neither by its name nor by its digest alone', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'entrepot-test-'))
  try {
    await using hub = await startHub()
    for (const name of ['evil/image', 'good/image']) hub.add(name, image, { tags: ['latest'] })
    {
      await using before = await startRegistry({ upstream: hub.url, folder })
      for (const name of ['evil/image', 'good/image']) assert.equal((await askAll(before.url, name))[2]?.status, 200)
    }
    const repositories = { deny: ['evil/**', 'team/kept'] }
    await using after = await startRegistry({ upstream: hub.url, folder, proxy: { local: ['team/**'], repositories } })
    const post = (repository: string, query: string) => fetch(`${after.url}/v2/${repository}/blobs/uploads/?${query}`, { method: 'POST' })
    for (const from of [
      '&from=evil/image',
      '&from=evil%2Fimage',
      `&from=evil/image&ns=${new URL(hub.url).host}`,
      '&from=ev%2569l/image',
      '',
    ]) {
      assert.equal((await post('team/app', `mount=${layer}${from}`)).status, 202, `the bytes are wanted: ${from}`)
      assert.equal((await pull(`${after.url}/v2/team/app/blobs/${layer}`)).status, 404, from)
    }
    assert.equal((await post('team/kept', `mount=${layer}&from=good/image`)).status, 201)
    assert.equal((await post('team/app', `mount=${layer}&from=team/kept`)).status, 201, 'what is ours is not admitted, but pushed')
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})
