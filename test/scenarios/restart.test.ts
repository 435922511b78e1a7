// The registry's process is killed at bad moments. What it has is never wrong, and what it had of a blob is not lost.
import assert from 'node:assert/strict'
import { open, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { ociImage } from '../support/images.ts'
import { outcomeOf } from '../support/pull.ts'
import { assertSound, filesBelow, partialFiles } from '../support/store-tree.ts'
import { until } from '../support/until.ts'
import { blob, half, hub, never, repository, start, store } from './restarts.ts'
import { questionsTo } from './scene.ts'

/** Bytes in the partial files. */
async function partialBytes(): Promise<number> {
  let bytes = 0
  for (const file of await filesBelow(join(store, 'entrepot/fills'))) {
    if (file.includes('sha256-')) bytes += (await stat(join(store, 'entrepot/fills', file))).size
  }
  return bytes
}

test('a process killed in the middle of a fill is followed by one that resumes it by Range', async () => {
  hub.addBlob(repository, blob)
  hub.script([{ on: { kind: 'cdn' }, stallAfterBytes: half, until: never }])
  {
    await using child = await start()
    const client = await questionsTo(() => child).openBlob(repository, blob.digest)
    await client.readTo(half)
    await until('half of the blob is on the disk', async () => (await partialBytes()) >= half)
    await child.end('SIGKILL')
    assert.notEqual((await client.readAll()).ending, 'whole')
  }
  await assertSound(store, { partials: 1 })

  hub.clearLedger()
  await using child = await start()
  const again = questionsTo(() => child)
  assert.deepEqual(outcomeOf(await again.blob(repository, blob.digest)), [200, 'miss', 'whole', blob.digest])
  assert.equal(hub.find({ kind: 'cdn' })[0]?.headers.range, `bytes=${half - 1}-`)
  assert.equal(hub.bytesSent({ kind: 'cdn' }), blob.size - half + 1)
  await again.kept(repository, blob.digest)
  await assertSound(store)
})

test('a partial file is kept while the Hub is away at the restart, and resumed when it is back', async () => {
  hub.addBlob(repository, blob)
  hub.script([{ on: { kind: 'cdn' }, stallAfterBytes: half, until: never }])
  {
    await using child = await start()
    const client = await questionsTo(() => child).openBlob(repository, blob.digest)
    await client.readTo(half)
    await until('half of the blob is on the disk', async () => (await partialBytes()) >= half)
    await child.end('SIGKILL')
    await client.readAll()
  }
  await hub.down()
  await using child = await start()
  const again = questionsTo(() => child)
  assert.equal((await again.blob(repository, blob.digest)).status, 502)
  await assertSound(store, { partials: 1 })
  await hub.up()
  hub.clearLedger()
  assert.equal((await again.blob(repository, blob.digest)).ending, 'whole')
  assert.equal(hub.find({ kind: 'cdn' })[0]?.headers.range, `bytes=${half - 1}-`)
})

test('a partial file with damaged bytes is found out, cut short, and fetched anew', async () => {
  hub.addBlob(repository, blob)
  hub.script([{ on: { kind: 'cdn' }, stallAfterBytes: half, until: never }])
  {
    await using child = await start()
    const client = await questionsTo(() => child).openBlob(repository, blob.digest)
    await client.readTo(half)
    await until('half of the blob is on the disk', async () => (await partialBytes()) >= half)
    await child.end('SIGKILL')
    await client.readAll()
  }
  const file = (await filesBelow(join(store, 'entrepot/fills'))).find((name) => name.includes('sha256-')) ?? ''
  {
    await using damaged = await open(join(store, 'entrepot/fills', file), 'r+')
    await damaged.write('damage', 1000)
  }
  await using child = await start()
  const again = questionsTo(() => child)
  const reply = await again.blob(repository, blob.digest)
  assert.equal(reply.ending, 'fin')
  await assertSound(store)
  assert.deepEqual(outcomeOf(await again.blob(repository, blob.digest)), [200, 'miss', 'whole', blob.digest])
})

test('kill -9 while blobs are being put into the store leaves nothing wrong behind', async () => {
  const image = ociImage({ seed: 'kill', layers: 12, layerBytes: 20_000 })
  hub.add('some', image, { tags: ['1'] })
  for (const after of [1, 4, 8]) {
    const child = await start()
    const { blob: pullBlob, manifest } = questionsTo(() => child)
    let answered = 0
    const { promise: enough, resolve } = Promise.withResolvers<void>()
    const pulls = [manifest(repository, '1'), ...[...image.blobs.keys()].map((digest) => pullBlob(repository, digest))].map((pulling) =>
      pulling.then(
        () => {
          answered += 1
          if (answered >= after) resolve()
        },
        () => undefined,
      ),
    )
    await enough
    await child.end('SIGKILL')
    await Promise.all(pulls)
    await assertSound(store, { partials: (await partialFiles(store)).length })
  }
  await using child = await start()
  const { blob: pullBlob, manifest, kept } = questionsTo(() => child)
  assert.equal((await manifest(repository, '1')).status, 200)
  for (const digest of image.blobs.keys()) {
    const [status, , ending, got] = outcomeOf(await pullBlob(repository, digest))
    assert.deepEqual([status, ending, got], [200, 'whole', digest])
    await kept(repository, digest)
  }
  await assertSound(store)
})
