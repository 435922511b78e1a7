// The admin API as its users see it: what is described, what is answered, and what becomes of images.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { ociImage, ociIndex } from '../support/images.ts'
import { until } from '../support/until.ts'
import { layerIn, type Scene, startScene } from '../scenarios/scene.ts'
import { describedAnswers, type Asked, asking } from './asking.ts'

/** As Docker Hub has it: `alpine` is `library/alpine`. */
const libraryprefix = true
const config = { http: { addr: '127.0.0.1:0', debug: { addr: '127.0.0.1:0' } } }

async function pulled(scene: Scene, name: string, seed = name, tag = 'latest'): Promise<void> {
  const image = ociImage({ seed, layerBytes: 30_000 })
  scene.hub.add(name, image, { tags: [tag] })
  assert.equal((await scene.manifest(`library/${name}`, tag)).status, 200)
  for (const digest of image.blobs.keys()) {
    await scene.blob(`library/${name}`, digest)
    await scene.kept(`library/${name}`, digest)
  }
}

interface Row {
  readonly image: string
  readonly bytes: number
  readonly platforms: readonly string[]
  readonly pinnedBy: readonly string[]
}

const rowsOf = ({ body }: Asked) => (body as { images: Row[] }).images
const namesOf = (asked: Asked) => rowsOf(asked).map(({ image }) => image)

suite('the admin API', () => {
  test('every route is described, and every answer is as it is described', async () => {
    await using scene = await startScene({ config, proxy: { libraryprefix, maxsize: '1GB', pin: ['alpine'] } })
    const { get, post } = asking(scene.registry.debugUrl)
    await pulled(scene, 'alpine')
    await pulled(scene, 'busybox')
    await get('/status')
    await get('/images')
    await get('/image', 'image=alpine')
    await get('/image', 'image=nothing')
    await get('/fills')
    await get('/upstreams')
    await get('/history')
    await get('/openapi.yaml')
    await post('/pin', 'busybox')
    await post('/unpin', 'busybox')
    await post('/refresh', 'busybox')
    await post('/evict', 'busybox')
    await post('/pin', 'no such/.. name')
    assert.deepEqual(describedAnswers.misfits, [])
    assert.deepEqual(describedAnswers.missing(), ['GET /events'])
  })

  test('images are found page by page, by part of their name, with platforms, sizes and pins', async () => {
    await using scene = await startScene({ config, proxy: { libraryprefix, pin: ['alpine'] } })
    const { get } = asking(scene.registry.debugUrl)
    for (const name of ['alpine', 'busybox', 'caddy']) await pulled(scene, name)
    assert.deepEqual(namesOf(await get('/images', 'sort=name')), [
      'library/alpine:latest',
      'library/busybox:latest',
      'library/caddy:latest',
    ])
    const first = await get('/images', 'sort=name&limit=2')
    assert.equal((first.body as { nextOffset: number }).nextOffset, 2)
    const second = await get('/images', 'sort=name&limit=2&offset=2')
    assert.deepEqual([namesOf(second), (second.body as { nextOffset: null }).nextOffset], [['library/caddy:latest'], null])
    const [found, ...others] = rowsOf(await get('/images', 'search=alp'))
    assert.deepEqual([found?.image, found?.pinnedBy, found?.platforms, others], ['library/alpine:latest', ['alpine'], ['linux/amd64'], []])
    assert.ok((found?.bytes ?? 0) > 30_000)
    assert.equal((await get('/images', 'limit=0')).status, 400)
    assert.equal((await get('/images', 'sort=color')).status, 400)
  })

  test('what was pulled by digest alone is an image, too, and can be evicted', async () => {
    await using scene = await startScene({ config, proxy: { libraryprefix } })
    const { get, post } = asking(scene.registry.debugUrl)
    await pulled(scene, 'tagged')
    const image = ociImage({ seed: 'digest only' })
    scene.hub.add('pinned-in-a-file', image, { tags: ['1'] })
    const { digest } = image.manifest
    await scene.manifest('library/pinned-in-a-file', digest)
    const name = `library/pinned-in-a-file@${digest}`
    assert.deepEqual(namesOf(await get('/images', 'sort=name')), [name, 'library/tagged:latest'])
    assert.deepEqual(namesOf(await get('/images', 'sort=name&limit=1&offset=1')), ['library/tagged:latest'])
    assert.deepEqual(namesOf(await get('/images', `search=${digest.slice(0, 20)}`)), [name])
    assert.equal((await post('/refresh', name)).status, 400)
    assert.equal((await post('/pin', name)).status, 200)
    assert.deepEqual(rowsOf(await get('/images', 'search=pinned'))[0]?.pinnedBy, [digest])
    assert.equal((await post('/evict', name)).status, 200)
    assert.deepEqual(namesOf(await get('/images')), ['library/tagged:latest'])
  })

  test('an index tells of its platforms, and which of them are here', async () => {
    await using scene = await startScene({ config, proxy: { libraryprefix } })
    const { get } = asking(scene.registry.debugUrl)
    const index = ociIndex({ seed: 'platforms', attestations: true })
    scene.hub.add('many', index, { tags: ['1'] })
    await scene.manifest('library/many', '1')
    await scene.manifest('library/many', index.children[0]?.manifest.digest ?? '')
    interface Detail {
      readonly platforms: readonly string[]
      readonly manifests?: readonly { readonly digest: string; readonly isHere: boolean }[]
    }
    const detail = async () => (await get('/image', 'image=many:1')).body as Detail
    await until('the index knows it', async () => (await detail()).manifests?.some(({ isHere }) => isHere) === true)
    const { manifests = [], platforms } = await detail()
    const here = manifests.filter(({ isHere }) => isHere).map(({ digest }) => digest)
    assert.deepEqual(here, [index.children[0]?.manifest.digest])
    assert.ok(platforms.length > 1 && platforms.includes('linux/amd64') && !platforms.join().includes('unknown'), platforms.join())
  })

  test('pins are added and taken away, but not those of the configuration', async () => {
    await using scene = await startScene({ config, proxy: { libraryprefix, pin: ['alpine'] } })
    const { get, post } = asking(scene.registry.debugUrl)
    await pulled(scene, 'alpine')
    await pulled(scene, 'busybox')
    assert.equal((await post('/pin', 'busybox:latest')).status, 200)
    assert.deepEqual((await post('/pin', 'library/busybox:latest')).body, {
      pattern: 'busybox:latest',
      pins: ['busybox:latest'],
      changed: false,
      configured: ['alpine'],
    })
    const pins = async () => rowsOf(await get('/images', 'sort=name')).map(({ pinnedBy }) => pinnedBy)
    assert.deepEqual(await pins(), [['alpine'], ['busybox:latest']])
    assert.deepEqual(((await post('/unpin', 'library/busybox:latest')).body as { changed: boolean }).changed, true)
    assert.deepEqual(((await post('/unpin', 'alpine')).body as { changed: boolean }).changed, false)
    assert.deepEqual(await pins(), [['alpine'], []])
  })

  test('refresh asks upstream at once and brings in what the tag has moved to', async () => {
    await using scene = await startScene({ config, proxy: { libraryprefix, tags: { ttl: '1h' } } })
    const { post } = asking(scene.registry.debugUrl)
    await pulled(scene, 'moving', 'before')
    assert.equal(((await post('/refresh', 'moving')).body as { outcome: string }).outcome, 'unchanged')
    const after = ociImage({ seed: 'after' })
    scene.hub.add('moving', after, { tags: ['latest'] })
    const moved = (await post('/refresh', 'moving')).body as { outcome: string; now: string }
    assert.deepEqual([moved.outcome, moved.now], ['moved', after.manifest.digest])
    scene.hub.script([{ on: { kind: 'manifest' }, status: 503, times: Infinity }])
    const pull = await scene.manifest('library/moving', 'latest')
    assert.deepEqual([pull.status, pull.headers['docker-content-digest'], pull.headers['x-cache']], [200, after.manifest.digest, 'hit'])
    const failed = await post('/refresh', 'moving')
    assert.equal(failed.status, 502)
    assert.match((failed.body as { error: string }).error, /Upstream answered that it is in trouble/)
  })

  test('what is evicted is gone from the disk and is fetched again; what another tag needs stays', async () => {
    await using scene = await startScene({ config, proxy: { libraryprefix } })
    const { get, post } = asking(scene.registry.debugUrl)
    const image = ociImage({ seed: 'evicted', layerBytes: 50_000 })
    scene.hub.add('gone', image, { tags: ['1', '2'] })
    for (const tag of ['1', '2']) await scene.manifest('library/gone', tag)
    const layer = layerIn(image).digest
    await scene.blob('library/gone', layer)
    await scene.kept('library/gone', layer)
    assert.deepEqual((await post('/evict', 'gone:1')).body, { image: 'library/gone:1', freedBytes: 0, keptFor: ['2'] })
    assert.equal((await scene.blob('library/gone', layer, { method: 'HEAD' })).headers['x-cache'], 'hit')
    const evicted = (await post('/evict', 'gone:2')).body as { freedBytes: number }
    assert.ok(evicted.freedBytes >= 50_000, `${evicted.freedBytes}`)
    assert.deepEqual(namesOf(await get('/images')), [])
    assert.equal((await scene.blob('library/gone', layer)).headers['x-cache'], 'miss')
    assert.equal((await post('/evict', 'never:here')).status, 404)
  })

  test('with an index go the images that it lists, but not one that has a tag of its own', async () => {
    await using scene = await startScene({ config, proxy: { libraryprefix } })
    const { get, post } = asking(scene.registry.debugUrl)
    const index = ociIndex({ seed: 'whole', attestations: false, layerBytes: 20_000 })
    const [first, second] = index.children
    if (first === undefined || second === undefined) throw new Error('an index of fewer than two images')
    scene.hub.add('whole', index, { tags: ['1'] })
    scene.hub.add('whole', second, { tags: ['second'] })
    await scene.manifest('library/whole', '1')
    await scene.manifest('library/whole', 'second')
    for (const child of [first, second]) {
      await scene.manifest('library/whole', child.manifest.digest)
      for (const digest of child.blobs.keys()) {
        await scene.blob('library/whole', digest)
        await scene.kept('library/whole', digest)
      }
    }
    const { freedBytes } = (await post('/evict', 'whole:1')).body as { freedBytes: number }
    assert.ok(freedBytes > 20_000 && freedBytes < 40_000, `${freedBytes}`)
    assert.deepEqual(namesOf(await get('/images')), ['library/whole:second'])
    assert.equal((await scene.blob('library/whole', layerIn(second).digest, { method: 'HEAD' })).headers['x-cache'], 'hit')
    assert.equal((await scene.blob('library/whole', layerIn(first).digest)).headers['x-cache'], 'miss')
  })

  test('a form of another site changes nothing', async () => {
    await using scene = await startScene({ config, proxy: { libraryprefix } })
    await pulled(scene, 'alpine')
    const url = `${scene.registry.debugUrl}/admin/v1/evict`
    for (const headers of [{ 'Content-Type': 'text/plain' }, { 'Content-Type': 'application/x-www-form-urlencoded' }]) {
      const answer = await fetch(url, { method: 'POST', headers, body: '{"image":"alpine"}' })
      assert.equal(answer.status, 409)
      await answer.text()
    }
    assert.equal((await fetch(url)).status, 405)
    assert.equal((await fetch(`${url}/x`)).status, 404)
    assert.equal((await scene.manifest('library/alpine', 'latest', { method: 'HEAD' })).headers['x-cache'], 'revalidated')
  })
})
