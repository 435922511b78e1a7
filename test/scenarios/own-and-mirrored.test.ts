// One instance that is both: repositories that proxy.local names are ours, all others are mirrored.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ociImage } from '../support/images.ts'
import { pushImage } from '../support/servers/push.ts'
import { startScene } from './scene.ts'

const ours = ociImage({ seed: 'ours' })
const theirs = ociImage({ seed: 'theirs' })

test('what is ours is pushed and pulled, and the Hub is never asked for it', async () => {
  await using scene = await startScene({ proxy: { local: ['team/**', 'mine'] } })
  const { hub, registry } = scene
  hub.add('team/app', theirs, { tags: ['1'] })
  hub.add('library/mine', theirs, { tags: ['1'] })
  for (const name of ['team/app', 'team/a/b', 'mine']) {
    assert.equal((await scene.manifest(name, '1')).status, 404)
    await pushImage(registry, name, ours, ['1'])
    for (const headers of [{}, { accept: '*/*' }]) {
      const reply = await scene.manifest(name, '1', { headers })
      assert.deepEqual([reply.status, reply.headers['docker-content-digest']], [200, ours.manifest.digest])
    }
    assert.deepEqual(await (await fetch(`${registry.url}/v2/${name}/tags/list`)).json(), { name, tags: ['1'] })
    assert.equal((await fetch(`${registry.url}/v2/${name}/referrers/${ours.manifest.digest}`)).status, 200)
  }
  assert.deepEqual(hub.ledger, [], hub.describeLedger())
})

test('with ns of the main registry it is ours, too, and with that of another one it is not', async () => {
  await using scene = await startScene({ proxy: { local: ['team/**'] } })
  await pushImage(scene.registry, 'team/app', ours, ['1'])
  const main = new URL(scene.hub.url).host
  assert.equal((await scene.manifest('team/app', `1?ns=${main}`)).status, 200)
  assert.equal((await scene.manifest('team/app', '1?ns=ghcr.io')).status, 404)
})

test('what is mirrored is pulled, and refuses pushes in words that name proxy.local', async () => {
  await using scene = await startScene({ proxy: { local: ['team/**'] } })
  const { hub, registry } = scene
  hub.add('library/nginx', theirs, { tags: ['1'] })
  assert.equal((await scene.manifest('library/nginx', '1')).headers['docker-content-digest'], theirs.manifest.digest)
  const refused = await fetch(`${registry.url}/v2/library/nginx/blobs/uploads/`, { method: 'POST' })
  assert.deepEqual([refused.status, refused.headers.get('allow')], [405, ''])
  const put = await fetch(`${registry.url}/v2/library/nginx/manifests/2`, { method: 'PUT', body: '{}' })
  assert.deepEqual([put.status, put.headers.get('allow')], [405, 'GET, HEAD'])
  const text = await refused.text()
  assert.match(text, /"UNSUPPORTED"/)
  assert.match(text, /proxy\.local/)
})

test('a blob that was mirrored is mounted into what is ours, without being sent', async () => {
  await using scene = await startScene({ proxy: { local: ['team/**'] } })
  const { hub, registry } = scene
  hub.add('library/nginx', theirs, { tags: ['1'] })
  const [digest = ''] = theirs.blobs.keys()
  assert.equal((await scene.blob('library/nginx', digest)).status, 200)
  await scene.kept('library/nginx', digest)
  const mounted = await fetch(`${registry.url}/v2/team/app/blobs/uploads/?mount=${digest}&from=library/nginx`, { method: 'POST' })
  assert.equal(mounted.status, 201)
  assert.equal((await scene.blob('team/app', digest)).status, 200)
})

test('without proxy.local nothing can be pushed', async () => {
  await using scene = await startScene()
  const refused = await fetch(`${scene.registry.url}/v2/team/app/blobs/uploads/`, { method: 'POST' })
  assert.deepEqual([refused.status, refused.headers.get('allow')], [405, ''])
})
