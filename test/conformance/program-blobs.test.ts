// What the official conformance program asks of blobs, in both configurations that config/ has, by sha256 and sha512: every way to push,
// mount, cancel, pull and delete, and that bytes of another digest are refused. The program itself is in Go and is not run here.
import { after, before, describe, test } from 'node:test'
import { type DigestAlgorithm, digestOf } from '../../src/oci/digest.ts'
import {
  type Blob,
  cancel,
  deleteBlob,
  headBlob,
  type How,
  mount,
  mountMissing,
  pullBlob,
  pullRange,
  pushChunks,
  pushes,
  pushPostAlone,
  pushPostPut,
  pushStream,
} from './program/blobs.ts'
import type { Client } from './program/client.ts'
import { DataSet } from './program/data.ts'
import { otherRepository, repository, type Subject, subjects } from './program/subjects.ts'

/** Spans three chunks of the least length. */
const threeChunks = 3 * 1024 - 5

const goodPushes: Readonly<Record<string, readonly [(typeof pushes)[string], number, How?]>> = {
  'POST alone': [pushPostAlone, 512],
  'POST and PUT': [pushPostPut, 512],
  'one chunk': [pushChunks, 512],
  'a stream': [pushStream, 512],
  'three chunks': [pushChunks, threeChunks],
  'three chunks, the last with the PUT': [pushChunks, threeChunks, { endsWithChunk: true }],
  'three chunks, each tried out of order first': [pushChunks, threeChunks, { isOutOfOrder: true }],
  'three chunks out of order, the last with the PUT': [pushChunks, threeChunks, { isOutOfOrder: true, endsWithChunk: true }],
}

const badPushes: Readonly<Record<string, readonly [(typeof pushes)[string], How?]>> = {
  'POST alone': [pushPostAlone],
  'POST and PUT': [pushPostPut],
  chunks: [pushChunks],
  'chunks, the last with the PUT': [pushChunks, { endsWithChunk: true }],
  'a stream': [pushStream],
}

const ranges: readonly (readonly [string, (readonly [number, number])?])[] = [
  ['bytes=500-1499', [500, 1500]],
  ['bytes=500-', [500, 2048]],
  ['bytes=-500', [1548, 2048]],
  ['bytes=2000-5000', [2000, 2048]],
  ['bytes=500-0'],
  ['bytes=5000-10000'],
]

for (const [name, start] of Object.entries(subjects)) {
  for (const algorithm of ['sha256', 'sha512'] satisfies DigestAlgorithm[]) {
    describe(`conformance program, ${name}: blobs by ${algorithm}`, () => {
      const data = new DataSet(`blobs ${algorithm}`)
      let subject: Subject
      let client: Client

      before(async () => {
        subject = await start()
        ;({ client } = subject)
      })
      after(() => subject[Symbol.asyncDispose]())

      const blobOf = (bytes: Buffer): Blob => ({ digest: digestOf(bytes, algorithm), bytes })
      const random = (size = 512) => blobOf(data.random(size))

      async function pullAndDelete(blob: Blob, from: readonly string[] = [repository]): Promise<void> {
        await headBlob(client, repository, blob)
        await pullBlob(client, repository, blob)
        for (const each of from) await deleteBlob(client, each, blob.digest)
      }

      test('one that was never pushed is 404', async () => {
        const { digest } = random()
        await client.expect(client.at(`/v2/${repository}/blobs/${digest}`), {}, { status: [404] })
      })

      for (const [what, [push, size, how]] of Object.entries(goodPushes)) {
        test(`pushed by ${what}`, async () => {
          const blob = random(size)
          await push(client, repository, blob, how)
          await pullAndDelete(blob)
        })
      }

      test('mounted from another repository', async () => {
        const blob = random()
        await pushPostPut(client, otherRepository, blob)
        await mount(client, repository, blob, otherRepository)
        await pullAndDelete(blob, [repository, otherRepository])
      })

      test('mounted from wherever it is', async () => {
        const blob = random()
        await pushPostPut(client, otherRepository, blob)
        await mount(client, repository, blob, undefined)
        await pullAndDelete(blob, [repository, otherRepository])
      })

      test('mounted from where it is not', async () => {
        const blob = random()
        await mountMissing(client, repository, blob, otherRepository)
        await pullAndDelete(blob)
      })

      test('an upload that is cancelled', async () => {
        await cancel(client, repository)
      })

      test('ranges', async () => {
        const blob = random(2048)
        await pushPostPut(client, repository, blob)
        for (const [range, part] of ranges) await pullRange(client, repository, blob, range, part)
        await deleteBlob(client, repository, blob.digest)
      })

      for (const [what, content] of Object.entries({ 'of no bytes': '', 'of empty JSON': '{}' })) {
        for (const [how, push] of Object.entries(pushes)) {
          test(`one ${what}, by ${how}`, async () => {
            const blob = blobOf(Buffer.from(content))
            await push(client, repository, blob)
            await pullAndDelete(blob)
          })
        }
      }

      for (const [what, [push, how]] of Object.entries(badPushes)) {
        test(`bytes of another digest are refused by ${what}`, async () => {
          const blob = random(threeChunks)
          const other = { digest: blob.digest, bytes: Buffer.concat([blob.bytes, Buffer.from('oh no')]) }
          await push(client, repository, other, { ...how, isBad: true })
          await client.expect(client.at(`/v2/${repository}/blobs/${blob.digest}`), {}, { status: [404] })
        })
      }
    })
  }
}
