// What the conformance suites of the distribution-spec's releases 1.0 and 1.1 asked and the newest program does not, in the order in which
// they did, in both configurations that config/ has. Their references to things that are not there are stranger, and they count.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { digestOf } from '../../src/oci/digest.ts'
import { mediaTypes } from '../support/images.ts'
import { codesOf, jsonOf } from './conforming.ts'
import { type Client, headerOf, withQuery } from './program/client.ts'
import { DataSet, type Descriptor } from './program/data.ts'
import { expectNoManifest, listReferrers, listTags, putManifest } from './program/manifests.ts'
import { pushPostPut } from './program/blobs.ts'
import { otherRepository, repository, type Subject, subjects } from './program/subjects.ts'

const octets = { 'content-type': 'application/octet-stream' }
const ociType = { 'content-type': mediaTypes.ociManifest }
const kinds = ['application/vnd.example.bagel', 'application/vnd.example.croissant'] as const
const note = (text: string) => ({ 'org.example.test': text })

/** The codes of release 1.1, any of which a refusal may have. */
const codes = `BLOB_UNKNOWN BLOB_UPLOAD_INVALID BLOB_UPLOAD_UNKNOWN DIGEST_INVALID MANIFEST_BLOB_UNKNOWN MANIFEST_INVALID MANIFEST_UNKNOWN
  MANIFEST_UNVERIFIED NAME_INVALID NAME_UNKNOWN SIZE_INVALID TAG_INVALID UNAUTHORIZED DENIED UNSUPPORTED`.split(/\s+/)

for (const [name, start] of Object.entries(subjects)) {
  describe(`conformance suites of 1.0 and 1.1, ${name}`, () => {
    const data = new DataSet('older')
    let subject: Subject
    let client: Client

    before(async () => {
      subject = await start()
      ;({ client } = subject)
    })
    after(() => subject[Symbol.asyncDispose]())

    async function begin(from = repository, parameters: Readonly<Record<string, string>> = {}): Promise<URL> {
      const url = withQuery(client.at(`/v2/${from}/blobs/uploads/`), parameters)
      return client.at(headerOf(await client.expect(url, { method: 'POST' }, { status: [202], headers: { location: '' } }), 'location'))
    }
    const chunk = (body: Buffer, from: number) => ({
      method: 'PATCH',
      headers: { ...octets, 'content-range': `${from}-${from + body.length - 1}` },
      body,
      tellsLength: true,
    })
    async function pushSet(set: DataSet): Promise<void> {
      for (const blob of set.blobs.values()) await pushPostPut(client, repository, blob)
      for (const manifest of set.manifests) await putManifest(client, repository, manifest.digest, manifest)
    }

    test('pull: a manifest by a name that no tag can have is 404', () =>
      expectNoManifest(client, repository, '.INVALID_MANIFEST_NAME', [404]))

    test('pull: what is no manifest, by what is no digest, is 400 with an error that clients can read', async () => {
      const url = client.at(`/v2/${repository}/manifests/sha256:totallywrong`)
      const answer = await client.expect(url, { method: 'PUT', headers: ociType, body: Buffer.from('blablabla') }, { status: [400] })
      for (const code of codesOf(answer)) assert.ok(codes.includes(code), code)
    })

    test('push: chunks of a few bytes; one that is sent again is 416, and the old address tells where the upload stands', async () => {
      const bytes = data.random(42)
      const [first, second] = [bytes.subarray(0, 3), bytes.subarray(3)]
      await client.expect(await begin(), chunk(second, 3), { status: [416] })
      const at = await begin()
      await client.expect(at, chunk(first, 0), { status: [202], headers: { range: '0-2' } })
      await client.expect(at, chunk(first, 0), { status: [416] })
      const stands = await client.expect(at, {}, { status: [204], headers: { location: '', range: '0-2' } })
      const next = await client.expect(client.at(headerOf(stands, 'location')), chunk(second, 3), {
        status: [202],
        headers: { location: '' },
      })
      const end = withQuery(client.at(headerOf(next, 'location')), { digest: digestOf(bytes) })
      await client.expect(end, { method: 'PUT', headers: octets }, { status: [201], headers: { location: '' } })
    })

    test('push: a mount without from of what nobody has begins an upload', async () => {
      assert.ok((await begin(otherRepository, { mount: digestOf(Buffer.from('hello world')) })).pathname.includes('/blobs/uploads/'))
    })

    test('push: the Location of a mount is the path of the blob', async () => {
      const bytes = data.random(42)
      const digest = digestOf(bytes)
      await pushPostPut(client, repository, { digest, bytes })
      const url = withQuery(client.at(`/v2/${otherRepository}/blobs/uploads/`), { mount: digest, from: repository })
      const answer = await client.expect(url, { method: 'POST' }, { status: [201] })
      assert.equal(client.at(headerOf(answer, 'location')).pathname, `/v2/${otherRepository}/blobs/${digest}`)
    })

    test('push: a manifest without mediaType and layers, with fields in descriptors that nobody knows', async () => {
      const set = new DataSet('older, empty')
      const config = { ...set.config(), newUnspecifiedField: 'aGVsbG8gd29ybGQ=' }
      for (const blob of set.blobs.values()) await pushPostPut(client, repository, blob)
      const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, config, layers: [] }, null, '\t'))
      const manifest = { bytes, digest: digestOf(bytes), mediaType: mediaTypes.ociManifest, subject: undefined }
      await putManifest(client, repository, 'emptylayer', manifest)
    })

    test('discovery: as many tags as n says, and after them the others', async () => {
      const set = new DataSet('older, tags')
      set.image()
      await pushSet(set)
      for (const manifest of set.manifests) {
        for (const tag of ['test0', 'test1', 'test2', 'test3']) await putManifest(client, repository, tag, manifest)
      }
      const all = (await listTags(client, repository)) ?? []
      const n = Math.floor(all.length / 2)
      const list = withQuery(client.at(`/v2/${repository}/tags/list`), { n: String(n) })
      const tagsAt = async (url: URL) => (jsonOf(await client.expect(url, {}, { status: [200] })) as { tags: string[] }).tags
      assert.deepEqual(await tagsAt(list), all.slice(0, n))
      assert.deepEqual(await tagsAt(withQuery(list, { last: all[n - 1] ?? '' })), all.slice(n, 2 * n))
    })

    test('discovery: five that refer, each with its one annotation, two of a type; and one whose subject never came', async () => {
      const set = new DataSet('older, referrers')
      const target = set.image()
      const content = kinds.map((kind) => set.layer(kind))
      const byConfig = (at: 0 | 1, to: Descriptor) =>
        set.image({ config: content[at] as Descriptor, layers: [], subject: to, annotations: note(`config ${at}`) })
      const byType = (at: 0 | 1, to: Descriptor) =>
        set.artifact(kinds[at], { layers: [content[at] as Descriptor], subject: to, annotations: note(`layer ${at}`) })
      for (const at of [0, 1] as const) {
        byConfig(at, target)
        byType(at, target)
      }
      set.index([], { artifactType: 'application/vnd.example.food', subject: target, annotations: note('index') })
      const absent = { ...target, digest: digestOf(Buffer.from('never pushed')) }
      const lonely = byType(1, absent)
      await pushSet(set)
      const at = client.at(`/v2/${repository}/referrers/${target.digest}`)
      const found = await listReferrers(client, at)
      assert.equal(found.length, 5)
      for (const { annotations } of found) assert.equal(Object.keys(annotations).length, 1)
      assert.equal((await listReferrers(client, withQuery(at, { artifactType: kinds[0] }))).length, 2)
      const alone = await listReferrers(client, client.at(`/v2/${repository}/referrers/${absent.digest}`))
      assert.deepEqual(
        alone.map(({ digest }) => digest),
        [lonely.digest],
      )
    })

    test('management: of a repository that loses its one tag and manifest the tags are 200 and none; its blobs go, too', async () => {
      const set = new DataSet('older, management')
      set.image()
      const [manifest] = set.manifests
      assert.ok(manifest !== undefined)
      const base = '/v2/conformance/managed'
      for (const blob of set.blobs.values()) await pushPostPut(client, 'conformance/managed', blob)
      await putManifest(client, 'conformance/managed', 'tagtest0', manifest)
      for (const path of [
        'manifests/tagtest0',
        `manifests/${manifest.digest}`,
        ...[...set.blobs.keys()].map((digest) => `blobs/${digest}`),
      ]) {
        await client.expect(client.at(`${base}/${path}`), { method: 'DELETE' }, { status: [202] })
        await client.expect(client.at(`${base}/${path}`), {}, { status: [404] })
      }
      const answer = await client.expect(client.at(`${base}/tags/list`), {}, { status: [200] })
      assert.deepEqual((jsonOf(answer) as { tags: unknown }).tags, [])
    })
  })
}
