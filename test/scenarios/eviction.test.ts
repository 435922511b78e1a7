// The cache stays within its limits, and no client notices: what goes was not used for long, what is used or pinned stays.
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { JumpingClock } from '../support/clock.ts'
import { type Image, ociImage, ociIndex } from '../support/images.ts'
import { outcomeOf } from '../support/pull.ts'
import { assertSound, filesBelow, keptBlobs } from '../support/store-tree.ts'
import { until } from '../support/until.ts'
import { bytesOf, layerIn, type Scene, startScene } from './scene.ts'

const hourMs = 3_600_000
const layerBytes = 400_000

function imageNamed(seed: string): Image {
  return ociImage({ seed: `evict ${seed}`, layerBytes })
}

async function pull(scene: Scene, repository: string, image: Image): Promise<void> {
  assert.deepEqual(outcomeOf(await scene.manifest(repository, image.manifest.digest)).slice(2), ['whole', image.manifest.digest])
  for (const digest of image.blobs.keys()) {
    assert.deepEqual(outcomeOf(await scene.blob(repository, digest)).slice(2), ['whole', digest])
    await scene.kept(repository, digest)
  }
}

const isHere = async (scene: Scene, image: Image) => (await keptBlobs(scene.registry.folder)).includes(layerIn(image).digest)

test('above proxy.maxsize what was used least lately goes, whole images with all that only they need', async () => {
  await using scene = await startScene({ proxy: { maxsize: '2MB', pin: ['some:pinned', 'library/other'] } })
  const { hub, registry } = scene
  const images = Object.fromEntries(['pinned', 'hot', 'a', 'b', 'c', 'd', 'e', 'f'].map((name) => [name, imageNamed(name)]))
  for (const [name, image] of Object.entries(images)) hub.add('some', image, { tags: [name] })
  for (const [name, image] of Object.entries(images)) {
    await scene.manifest('library/some', name)
    await pull(scene, 'library/some', image)
    if (images['hot'] !== undefined && name !== 'pinned') await pull(scene, 'library/some', images['hot'])
    // Uses count by the flush; the log tells when one was evicted.
  }
  await until('enough is evicted', () => /evicted what was not used for long/.test(registry.log.join('')))
  const here = await Promise.all(Object.values(images).map((image) => isHere(scene, image)))
  const [pinned, hot, a, b, , , , f] = here
  assert.deepEqual([pinned, hot, a, b, f], [true, true, false, false, true])
  // Of what went nothing is left behind: no tags, no links, no folders.
  const gone = images['a']?.manifest.digest.slice('sha256:'.length) ?? ''
  const files = await filesBelow(registry.folder)
  assert.deepEqual(
    files.filter((file) => file.includes(gone) || file.includes('/tags/a/')),
    [],
  )
  await assertSound(registry.folder)
  if (images['a'] !== undefined) await pull(scene, 'library/some', images['a'])
})

/** A stop in between writes what was used until then, so that later uses count as later. */
async function inTwoRuns(
  proxy: Readonly<Record<string, unknown>>,
  add: (scene: Scene) => void,
  first: (scene: Scene) => Promise<void>,
  second: (scene: Scene, clock: JumpingClock) => Promise<void>,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'entrepot-test-'))
  try {
    const clock = new JumpingClock()
    for (const run of [first, second]) {
      await using scene = await startScene({ folder, clock, proxy })
      add(scene)
      await run(scene, clock)
      clock.jump(5500)
    }
  } finally {
    await rm(folder, { recursive: true })
  }
}

test('a blob that two repositories have goes with the second one', async () => {
  const image = imageNamed('shared')
  const names = ['one', 'two']
  await inTwoRuns(
    { ttl: '6s' },
    ({ hub }) => names.forEach((name) => hub.add(name, image, { tags: ['1'] })),
    async (scene) => {
      for (const name of names) await pull(scene, `library/${name}`, image)
    },
    async (scene) => {
      const { registry, hub } = scene
      assert.equal((await scene.manifest('library/two', image.manifest.digest)).status, 200)
      const isGone = async () => !(await filesBelow(registry.folder)).some((file) => file.includes('library/one'))
      await until('the first one has expired', isGone, 15_000)
      assert.equal(await isHere(scene, image), true)
      await pull(scene, 'library/two', image)
      assert.equal(hub.count({ kind: 'cdn' }), 0)
    },
  )
})

test('proxy.ttl counts from the last use, and a use of an index is one of its platforms; storage.delete.enabled is not needed', async () => {
  const [index, left] = [ociIndex({ seed: 'ttl', attestations: false }), imageNamed('left')]
  const [platform] = index.children
  if (platform === undefined) throw new Error('an index without images')
  await inTwoRuns(
    { ttl: '6s' },
    ({ hub }) => {
      hub.add('some', index, { tags: ['1'] })
      hub.add('some', left, { tags: ['2'] })
    },
    async (scene) => {
      await scene.manifest('library/some', '1')
      await pull(scene, 'library/some', platform)
      await pull(scene, 'library/some', left)
    },
    async (scene, clock) => {
      // By tag only: the platform's image is not asked for, but kept.
      assert.equal((await scene.manifest('library/some', '1')).status, 200)
      await until('the other one has expired', async () => !(await isHere(scene, left)), 15_000)
      assert.equal(await isHere(scene, platform), true)
      await until('the log tells why', async () => /msg=evicted .*reason=expired/.test(scene.registry.log.join('')))
      clock.jump(hourMs)
      await until('all has expired', async () => (await keptBlobs(scene.registry.folder)).length === 0, 15_000)
      await pull(scene, 'library/some', left)
    },
  )
})

test('repositories of ours are never evicted, nor the blobs that they share with mirrored ones', async () => {
  const clock = new JumpingClock()
  const image = imageNamed('ours')
  await using scene = await startScene({ clock, proxy: { ttl: '6s', local: ['team/**'] } })
  const { hub, registry } = scene
  hub.add('some', image, { tags: ['1'] })
  await pull(scene, 'library/some', image)
  for (const digest of image.blobs.keys()) {
    const answer = await fetch(`${registry.url}/v2/team/app/blobs/uploads/?mount=${digest}&from=library/some`, { method: 'POST' })
    assert.equal(answer.status, 201)
  }
  const { bytes, mediaType } = image.manifest
  const pushed = await fetch(`${registry.url}/v2/team/app/manifests/1`, {
    method: 'PUT',
    body: new Uint8Array(bytes),
    headers: { 'content-type': mediaType },
  })
  assert.equal(pushed.status, 201)
  clock.jump(hourMs)
  await until(
    'the mirrored one is gone',
    async () => !(await filesBelow(registry.folder)).some((file) => file.includes('library/some/_layers')),
    8000,
  )
  for (const digest of image.blobs.keys()) assert.deepEqual(outcomeOf(await scene.blob('team/app', digest)), [200, 'hit', 'whole', digest])
})

test('a blob that cannot fit is passed on without being kept, and nothing goes for it', async () => {
  await using scene = await startScene({ proxy: { maxsize: '1MB' } })
  const [small, large] = [imageNamed('small'), ociImage({ seed: 'evict large', layerBytes: 1_200_000 })]
  scene.hub.add('some', small, { tags: ['1'] })
  scene.hub.add('some', large, { tags: ['2'] })
  await pull(scene, 'library/some', small)
  const { digest } = layerIn(large)
  for (let turn = 0; turn < 2; turn += 1) {
    assert.deepEqual(outcomeOf(await scene.blob('library/some', digest)), [200, 'miss', 'whole', digest])
  }
  assert.equal(await isHere(scene, small), true)
  assert.equal(await isHere(scene, large), false)
  assert.match(scene.registry.log.join(''), /level=warn msg="a blob is not kept, because there is no room for it/)
})

test('below storage.minfree new content is passed on, the log says so, what is here is served, and pushes are taken', async () => {
  await using scene = await startScene({ proxy: { pin: ['**'] } })
  const image = imageNamed('before')
  scene.hub.add('some', image, { tags: ['1'] })
  await pull(scene, 'library/some', image)
  const { folder } = scene.registry
  const storage = { filesystem: { rootdirectory: folder }, cache: { blobdescriptor: 'inmemory' }, minfree: '100%' }
  await using full = await startScene({ folder, proxy: { pin: ['**'], local: ['team/**'] }, config: { storage } })
  const other = imageNamed('after')
  full.hub.add('some', other, { tags: ['2'] })
  full.hub.add('some', image, { tags: ['1'] })
  const { digest } = layerIn(other)
  for (let turn = 0; turn < 2; turn += 1)
    assert.deepEqual(outcomeOf(await full.blob('library/some', digest)), [200, 'miss', 'whole', digest])
  assert.match(full.registry.log.join(''), /level=error msg="there is no room for new content, and nothing that may go/)
  assert.deepEqual(outcomeOf(await full.blob('library/some', layerIn(image).digest)), [200, 'hit', 'whole', layerIn(image).digest])
  // What is pushed could be had from nowhere else: the room that is kept free is for that.
  const uploads = `${full.registry.url}/v2/team/app/blobs/uploads/`
  const pushed = await fetch(`${uploads}?digest=${digest}`, { method: 'POST', body: new Uint8Array(await bytesOf(layerIn(other))) })
  assert.equal(pushed.status, 201)
  assert.deepEqual(outcomeOf(await full.blob('team/app', digest)), [200, 'hit', 'whole', digest])
})
