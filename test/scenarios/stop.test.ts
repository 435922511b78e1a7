// The registry's process is asked to stop, and starts again: it drains, ends with 0, and needs no Hub to serve what it has.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ociImage } from '../support/images.ts'
import { outcomeOf } from '../support/pull.ts'
import { assertSound } from '../support/store-tree.ts'
import { until } from '../support/until.ts'
import { blob, half, hub, never, repository, start, store } from './restarts.ts'
import { gate, layerIn, questionsTo } from './scene.ts'

test('SIGTERM lets a running pull end, then the process ends with 0', async () => {
  hub.addBlob(repository, blob)
  const rest = gate()
  hub.script([{ on: { kind: 'cdn' }, stallAfterBytes: half, until: rest.opened }])
  await using child = await start()
  const client = await questionsTo(() => child).openBlob(repository, blob.digest)
  await client.readTo(half)
  const ended = child.end('SIGTERM')
  await until('it accepts nobody any more', () => /requests in progress may finish/.test(child.log()))
  rest.open()
  assert.equal((await client.readAll()).ending, 'whole')
  assert.deepEqual(await ended, [0, null])
  await assertSound(store)
})

test('SIGTERM ends a pull that takes too long; the process ends with 0 and the next one resumes', async () => {
  hub.addBlob(repository, blob)
  hub.script([{ on: { kind: 'cdn' }, stallAfterBytes: half, until: never }])
  {
    await using child = await start({ http: { draintimeout: '200ms' } })
    const client = await questionsTo(() => child).openBlob(repository, blob.digest)
    await client.readTo(half)
    assert.deepEqual(await child.end('SIGTERM'), [0, null])
    assert.notEqual((await client.readAll()).ending, 'whole')
  }
  await assertSound(store, { partials: 1 })
  hub.clearLedger()
  await using child = await start()
  assert.equal((await questionsTo(() => child).blob(repository, blob.digest)).ending, 'whole')
  assert.match(hub.find({ kind: 'cdn' })[0]?.headers.range ?? '', /^bytes=[1-9]\d*-$/)
})

test('a process that starts while the Hub is away serves what the one before has kept', async () => {
  const image = ociImage({ seed: 'offline' })
  const layer = layerIn(image)
  hub.add('some', image, { tags: ['1'] })
  {
    await using child = await start()
    const { manifest, blob: pullBlob, kept } = questionsTo(() => child)
    await manifest(repository, '1')
    await pullBlob(repository, layer.digest)
    await kept(repository, layer.digest)
  }
  await hub.down()
  await using child = await start()
  const { manifest, blob: pullBlob } = questionsTo(() => child)
  assert.deepEqual(outcomeOf(await manifest(repository, '1')), [200, 'stale', 'whole', image.manifest.digest])
  assert.deepEqual(outcomeOf(await manifest(repository, image.manifest.digest)), [200, 'hit', 'whole', image.manifest.digest])
  assert.deepEqual(outcomeOf(await pullBlob(repository, layer.digest)), [200, 'hit', 'whole', layer.digest])
  assert.equal((await manifest(repository, 'other')).status, 502)
  await hub.up()
  assert.equal((await manifest(repository, '1')).headers['x-cache'], 'revalidated')
})
