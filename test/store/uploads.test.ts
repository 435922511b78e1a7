// Blobs that are pushed: in pieces, with breaks, by several at once, over each driver.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type Digest, digestOf } from '../../src/oci/digest.ts'
import * as layout from '../../src/store/layout.ts'
import { busybox, chunksOf, collect, contentOver, never, nginx, openStore, putBlob } from './example-content.ts'
import { watchedDriver } from './watched-driver.ts'

const bytes = Buffer.alloc(700_000, 'a layer ')
const digest = digestOf(bytes)

for (const kind of ['filesystem', 'inmemory'] as const) {
  describe(`uploads, ${kind}`, () => {
    async function begun() {
      const store = await openStore(kind)
      const { id, ...rest } = await store.content.beginUpload(busybox)
      const append = (offset: number, ...chunks: (Uint8Array | string | Error)[]) =>
        store.content.appendToUpload(busybox, id, { offset, body: chunksOf(...chunks) }, never)
      const finish = (digest: Digest) => store.content.finishUpload(busybox, id, digest)
      const size = async () => (await store.content.findUpload(busybox, id))?.size
      const [driver, folder] = [store.driver, layout.uploadFolder(busybox, id)]
      return { content: store.content, driver, folder, id, rest, append, finish, size, [Symbol.asyncDispose]: store[Symbol.asyncDispose] }
    }

    it("lies in distribution's folder until it is finished, and then nothing of it is left", async () => {
      await using upload = await begun()
      const { driver, folder, content } = upload
      assert.match(upload.id, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
      const startedAt = Buffer.from((await driver.read(`${folder}/startedat`)) ?? []).toString()
      assert.match(startedAt, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/)
      assert.deepEqual(upload.rest, { size: 0, startedAt: Date.parse(startedAt) })
      assert.equal((await driver.stat(`${folder}/data`))?.size, 0)
      assert.deepEqual(await upload.append(0, bytes.subarray(0, 300_000)), { id: upload.id, ...upload.rest, size: 300_000 })
      assert.deepEqual(await upload.append(300_000, bytes.subarray(300_000)), { id: upload.id, ...upload.rest, size: 700_000 })
      assert.ok(bytes.equals((await driver.read(`${folder}/data`)) ?? Buffer.alloc(0)))
      assert.equal(await content.findBlob(busybox, digest), undefined)
      assert.deepEqual(await upload.finish(digest), { mediaType: 'application/octet-stream', digest, size: bytes.length })
      const found = await content.findBlob(busybox, digest)
      assert.ok(bytes.equals((await collect(found?.open(undefined, never))) ?? Buffer.alloc(0)))
      assert.equal(await driver.stat(folder), undefined)
      assert.equal(await content.findUpload(busybox, upload.id), undefined)
      assert.equal(await content.findBlob(nginx, digest), undefined)
    })

    it('a chunk at another offset than the size is refused, and changes nothing', async () => {
      await using upload = await begun()
      await upload.append(0, bytes.subarray(0, 1000))
      for (const offset of [0, 999, 1001]) await assert.rejects(upload.append(offset, 'x'), { code: 'RANGE_INVALID' })
      assert.equal(await upload.size(), 1000)
      await upload.append(1000, bytes.subarray(1000))
      assert.equal((await upload.finish(digest)).size, bytes.length)
    })

    it('what came before a body broke stays, and the upload goes on from there', async () => {
      await using upload = await begun()
      const broken = new Error('the client left')
      await assert.rejects(upload.append(0, bytes.subarray(0, 1000), bytes.subarray(1000, 1500), broken), broken)
      assert.equal(await upload.size(), 1500)
      await upload.append(1500, bytes.subarray(1500))
      assert.equal((await upload.finish(digest)).digest, digest)
    })

    it('the signal ends a chunk from which nothing comes, and what came stays', async () => {
      await using upload = await begun()
      const [leaving, reason] = [new AbortController(), new Error('stopping')]
      async function* stalled() {
        yield bytes.subarray(0, 1000)
        leaving.abort(reason)
        await new Promise(() => {})
      }
      const appending = upload.content.appendToUpload(busybox, upload.id, { offset: 0, body: stalled() }, leaving.signal)
      await assert.rejects(appending, reason)
      assert.equal(await upload.size(), 1000)
    })

    it('a wrong digest is refused, and the upload stays for the right one', async () => {
      await using upload = await begun()
      await upload.append(0, bytes)
      const wrong = digestOf(Buffer.from('other'))
      await assert.rejects(upload.finish(wrong), { code: 'DIGEST_INVALID' })
      assert.equal(await upload.content.statBlob(wrong), undefined)
      assert.equal(await upload.size(), bytes.length)
      assert.equal((await upload.finish(digest)).digest, digest)
    })

    it('is known by its own name in its own repository only', async () => {
      await using upload = await begun()
      const { content } = upload
      const strangers = ['', '..', '../../library/nginx', upload.id.toUpperCase(), `${upload.id}/`, '0b3f8a52-9c1d-4e7a-8f60-2d5b6c7e8a91']
      for (const id of strangers) {
        assert.equal(await content.findUpload(busybox, id), undefined, id)
        assert.equal(await content.cancelUpload(busybox, id), false, id)
        const chunk = { offset: 0, body: chunksOf('x') }
        await assert.rejects(content.appendToUpload(busybox, id, chunk, never), { code: 'BLOB_UPLOAD_UNKNOWN' }, id)
        await assert.rejects(content.finishUpload(busybox, id, digest), { code: 'BLOB_UPLOAD_UNKNOWN' }, id)
      }
      assert.equal(await content.findUpload(nginx, upload.id), undefined)
      assert.equal(await upload.size(), 0)
    })

    for (const algorithm of ['sha512', 'sha384'] as const) {
      it(`may be finished by ${algorithm}, announced or not`, async () => {
        await using store = await openStore(kind)
        const wanted = digestOf(bytes, algorithm)
        for (const announced of [algorithm, undefined]) {
          const { id } = await store.content.beginUpload(busybox, announced)
          await store.content.appendToUpload(busybox, id, { offset: 0, body: chunksOf(bytes) }, never)
          await assert.rejects(store.content.finishUpload(busybox, id, digestOf(Buffer.from('x'), algorithm)), { code: 'DIGEST_INVALID' })
          assert.equal((await store.content.finishUpload(busybox, id, wanted)).digest, wanted)
        }
        assert.equal((await store.content.findBlob(busybox, wanted))?.descriptor.size, bytes.length)
      })
    }

    it('of no bytes becomes the blob of no bytes, also where no file for them was made', async () => {
      await using upload = await begun()
      await upload.driver.remove(`${upload.folder}/data`)
      const empty = digestOf(Buffer.alloc(0))
      assert.equal(await upload.size(), 0)
      assert.deepEqual(await upload.finish(empty), { mediaType: 'application/octet-stream', digest: empty, size: 0 })
      const found = await upload.content.findBlob(busybox, empty)
      assert.equal((await collect(found?.open(undefined, never)))?.length, 0)
    })

    it('goes on in another process, which reads what it did not see', async () => {
      await using upload = await begun()
      await upload.append(0, bytes.subarray(0, 100_000))
      const other = contentOver(upload.driver)
      await other.appendToUpload(busybox, upload.id, { offset: 100_000, body: chunksOf(bytes.subarray(100_000, 200_000)) }, never)
      await upload.append(200_000, bytes.subarray(200_000))
      assert.equal((await upload.finish(digest)).digest, digest)
    })

    it('bytes that another process changed are not taken for those that were seen', async () => {
      await using upload = await begun()
      await upload.append(0, bytes)
      await upload.driver.write(`${upload.folder}/data`, Buffer.alloc(bytes.length, 'forged'))
      await upload.driver.touch(`${upload.folder}/data`, Date.now() + 5000)
      await assert.rejects(upload.finish(digest), { code: 'DIGEST_INVALID' })
      assert.equal(await upload.content.statBlob(digest), undefined)
    })

    it('is not read again when this process saw all of it', async () => {
      await using store = await openStore(kind)
      const watched = watchedDriver(store.driver)
      const content = contentOver(watched.driver)
      const { id } = await content.beginUpload(busybox)
      for (let offset = 0; offset < bytes.length; offset += 350_000) {
        await content.appendToUpload(busybox, id, { offset, body: chunksOf(bytes.subarray(offset, offset + 350_000)) }, never)
      }
      await content.finishUpload(busybox, id, digest)
      assert.deepEqual(
        watched.calls.filter((call) => /^(open|read) .*data$/.test(call)),
        [],
      )
    })

    it('can be cancelled once', async () => {
      await using upload = await begun()
      await upload.append(0, bytes)
      assert.equal(await upload.content.cancelUpload(busybox, upload.id), true)
      assert.equal(await upload.driver.stat(upload.folder), undefined)
      assert.equal(await upload.content.cancelUpload(busybox, upload.id), false)
      await assert.rejects(upload.append(bytes.length, 'x'), { code: 'BLOB_UPLOAD_UNKNOWN' })
    })

    it('a request that comes back takes over from one that hangs, and one that is wrong does not', async () => {
      await using upload = await begun()
      const taken = Promise.withResolvers<void>()
      async function* hanging() {
        yield bytes.subarray(0, 1000)
        taken.resolve()
        await new Promise(() => {})
      }
      await upload.append(0)
      const hangs = assert.rejects(upload.content.appendToUpload(busybox, upload.id, { offset: 0, body: hanging() }, never), {
        code: 'RANGE_INVALID',
      })
      await taken.promise
      await assert.rejects(upload.append(77, 'x'), { code: 'RANGE_INVALID' })
      let state = 0
      while (state === 0) state = (await upload.append((await upload.size()) ?? 0, '').catch(() => undefined))?.size ?? 0
      await hangs
      assert.equal(state, 1000)
      await upload.append(1000, bytes.subarray(1000))
      assert.equal((await upload.finish(digest)).digest, digest)
    })

    it('many that append at once leave one order of bytes, and the size is theirs', async () => {
      await using upload = await begun()
      const pieces = Array.from({ length: 10 }, (_, index) => Buffer.alloc(1000, String(index)))
      const outcomes = await Promise.allSettled(pieces.map((piece) => upload.append(0, piece)))
      const size = (await upload.size()) ?? 0
      const stored = Buffer.from((await upload.driver.read(`${upload.folder}/data`)) ?? [])
      assert.equal(stored.length, size)
      for (const outcome of outcomes) {
        if (outcome.status === 'rejected') assert.equal((outcome.reason as { code: string }).code, 'RANGE_INVALID')
        else assert.equal(outcome.value.size, size)
      }
      assert.equal((await upload.finish(digestOf(stored))).size, size)
    })

    it('several of one blob are finished at once, in several repositories', async () => {
      await using store = await openStore(kind)
      const { content, driver } = store
      const repositories = Array.from({ length: 8 }, (_, index) => (index % 2 === 0 ? busybox : nginx))
      const ids = await Promise.all(repositories.map(async (repository) => (await content.beginUpload(repository)).id))
      await Promise.all(
        repositories.map(async (repository, index) => {
          await content.appendToUpload(repository, ids[index] ?? '', { offset: 0, body: chunksOf(bytes) }, never)
          return content.finishUpload(repository, ids[index] ?? '', digest)
        }),
      )
      for (const repository of [busybox, nginx]) {
        const found = await content.findBlob(repository, digest)
        assert.ok(bytes.equals((await collect(found?.open(undefined, never))) ?? Buffer.alloc(0)))
        assert.deepEqual(await driver.list(layout.uploadsFolder(repository)), [])
      }
    })

    it('heals a blob that is damaged', async () => {
      await using upload = await begun()
      await putBlob(upload.content, busybox, bytes)
      await upload.driver.write(layout.blobDataPath(digest), Buffer.alloc(bytes.length, 'rot'))
      await upload.append(0, bytes)
      await upload.finish(digest)
      const found = await upload.content.findBlob(busybox, digest)
      assert.equal(digestOf((await collect(found?.open(undefined, never))) ?? Buffer.alloc(0)), digest)
    })
  })
}
