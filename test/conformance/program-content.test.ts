// What the official conformance program asks of manifests, tags, referrers and deletes, for each kind of content that it makes up, in both
// configurations that config/ has. The program itself is in Go and is not run here.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { digestOf } from '../../src/oci/digest.ts'
import { deleteBlob, headBlob, pullBlob, pushes } from './program/blobs.ts'
import type { Client } from './program/client.ts'
import type { PushedManifest } from './program/data.ts'
import {
  deleteManifest,
  expectNoManifest,
  expectReferrers,
  headManifest,
  listReferrers,
  listTags,
  pullManifest,
  putManifest,
} from './program/manifests.ts'
import { type Prepared, sets } from './program/sets.ts'
import { repository, type Subject, subjects } from './program/subjects.ts'

const ways = Object.values(pushes)

async function pushAll(client: Client, { data, setsTagsByParameter = false, bad }: Prepared): Promise<void> {
  for (const [index, blob] of [...data.blobs.values()].entries()) await ways[index % ways.length]?.(client, repository, blob)
  for (const manifest of data.manifests) {
    const tags = setsTagsByParameter ? [...data.tags].filter(([, digest]) => digest === manifest.digest).map(([tag]) => tag) : []
    await putManifest(client, repository, manifest.digest, manifest, { tags, isBad: bad?.has(manifest.digest) ?? false })
  }
  if (setsTagsByParameter) return
  for (const [tag, manifest] of tagged(data)) await putManifest(client, repository, tag, manifest)
}

function tagged({ tags, manifests }: Prepared['data']): (readonly [string, PushedManifest])[] {
  return [...tags].map(([tag, digest]) => [tag, manifests.find((each) => each.digest === digest) as PushedManifest])
}

/** By each of its tags and by its digest. */
async function readManifests(client: Client, { data, bad }: Prepared, read: typeof headManifest): Promise<void> {
  for (const [tag, manifest] of tagged(data)) await read(client, repository, tag, manifest)
  for (const manifest of data.manifests) if (bad?.has(manifest.digest) !== true) await read(client, repository, manifest.digest, manifest)
}

for (const [name, start] of Object.entries(subjects)) {
  describe(`conformance program, ${name}: content`, () => {
    let subject: Subject
    let client: Client

    before(async () => {
      subject = await start()
      ;({ client } = subject)
    })
    after(() => subject[Symbol.asyncDispose]())

    test('the version check', async () => {
      await client.expect(client.at('/v2/'), {}, { status: [200] })
    })

    test('a repository that has nothing: tags are 404 or none, and referrers are none', async () => {
      assert.deepEqual((await listTags(client, repository)) ?? [], [])
      const url = client.at(`/v2/${repository}/referrers/${digestOf(Buffer.from('nobody'))}`)
      assert.deepEqual(await listReferrers(client, url), [])
    })

    for (const [set, prepare] of Object.entries(sets)) {
      describe(set, () => {
        const prepared = prepare()
        const { data } = prepared

        test('push', () => pushAll(client, prepared))

        test('tags, and those after the middle one', async () => {
          const found = (await listTags(client, repository)) ?? []
          for (const tag of data.tags.keys()) assert.ok(found.includes(tag), tag)
          const half = Math.floor(found.length / 2)
          if (half > 0) assert.deepEqual(await listTags(client, repository, found.toSorted()[half - 1]), found.toSorted().slice(half))
        })

        test('HEAD', async () => {
          await readManifests(client, prepared, headManifest)
          for (const blob of data.blobs.values()) await headBlob(client, repository, blob)
        })

        test('GET', async () => {
          await readManifests(client, prepared, pullManifest)
          for (const blob of data.blobs.values()) await pullBlob(client, repository, blob)
        })

        test('referrers, whole and by type', async () => {
          for (const [digest, goal] of data.referrers) await expectReferrers(client, repository, digest, goal)
        })

        test('deletes of tags, manifests and blobs, gone at once', async () => {
          for (const tag of data.tags.keys()) await deleteManifest(client, repository, tag)
          for (const { digest } of data.manifests.toReversed()) await deleteManifest(client, repository, digest)
          for (const digest of data.blobs.keys()) await deleteBlob(client, repository, digest)
        })
      })
    }

    test('manifests that are not there, by digest and by tag, are 404', async () => {
      await expectNoManifest(client, repository, digestOf(Buffer.from('nobody pushed this')), [404])
      await expectNoManifest(client, repository, 'missing-abcdefghij', [404])
    })

    test('a digest that is none: a push is 400, a pull 400 or 404', async () => {
      const { data } = sets['image']?.() ?? assert.fail()
      const [manifest] = data.manifests
      for (const blob of data.blobs.values()) await ways[0]?.(client, repository, blob)
      await putManifest(client, repository, 'sha256:baddigeststring', manifest as PushedManifest, { isBad: true })
      await expectNoManifest(client, repository, 'sha256:baddigeststring', [400, 404])
    })
  })
}
