// Which uploads are removed: those that nobody has gone on with for long, and nothing else.
import assert from 'node:assert/strict'
import { it } from 'node:test'
import * as layout from '../../src/store/layout.ts'
import { TestClock } from '../support/clock.ts'
import { busybox, chunksOf, collect, contentOver, never, nginx, openStore, pushBlob } from './example-content.ts'

const hourMs = 3_600_000

for (const kind of ['filesystem', 'inmemory'] as const) {
  it(`old uploads go, young ones and all else stay, ${kind}`, async () => {
    await using store = await openStore(kind)
    const { driver } = store
    const clock = new TestClock()
    const content = contentOver(driver, { clock })
    const kept = await pushBlob(content, busybox, Buffer.from('layer'))
    const [left, active] = [await content.beginUpload(busybox), await content.beginUpload(nginx)]
    await content.appendToUpload(nginx, active.id, { offset: 0, body: chunksOf('some') }, never)
    clock.advance(100 * hourMs)
    const young = await content.beginUpload(busybox)
    // Another one has no beginning (a crash), and one folder is no upload at all.
    const nameless = layout.uploadFolder(busybox, '0b3f8a52-9c1d-4e7a-8f60-2d5b6c7e8a91')
    await driver.append(`${nameless}/data`, 0, chunksOf('x'), never)
    await driver.write(`${layout.uploadsFolder(busybox)}/notes/data`, Buffer.from('x'))
    await driver.touch(`${layout.uploadFolder(nginx, active.id)}/data`, clock.now() - hourMs)

    const dry = await content.purgeUploads({ olderThanMs: 50 * hourMs, isDryRun: true }, never)
    const real = await content.purgeUploads({ olderThanMs: 50 * hourMs }, never)
    assert.deepEqual(
      [dry, real],
      [
        { purged: 2, kept: 2 },
        { purged: 2, kept: 2 },
      ],
    )
    assert.equal(await content.findUpload(busybox, left.id), undefined)
    assert.equal(await driver.stat(nameless), undefined)
    assert.equal((await content.findUpload(nginx, active.id))?.size, 4)
    assert.equal((await content.findUpload(busybox, young.id))?.size, 0)
    assert.deepEqual(((await driver.list(layout.uploadsFolder(busybox))) ?? []).sort(), [young.id, 'notes'].sort())
    assert.equal((await collect((await content.findBlob(busybox, kept))?.open(undefined, never)))?.toString(), 'layer')
  })
}

it('a purge ends when it is stopped', async () => {
  await using store = await openStore('inmemory')
  await store.content.beginUpload(busybox)
  const reason = new Error('stopping')
  await assert.rejects(store.content.purgeUploads({ olderThanMs: 0 }, AbortSignal.abort(reason)), reason)
})
