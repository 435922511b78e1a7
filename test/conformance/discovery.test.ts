// OCI distribution specification 1.1, "Content Discovery": tags and referrers. One test per requirement, named by section.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { digestOf } from '../../src/oci/digest.ts'
import { artifact, descriptorOf, manifestOf, mediaTypes, ociImage } from '../support/images.ts'
import { type Conforming, jsonOf, openConforming } from './conforming.ts'

const image = ociImage({ seed: 'discovery' })
const subject = descriptorOf(image)
const tags = ['1.0', '1.10', '1.2', 'A', 'Z', '_x', 'a', 'b', 'latest']
const sbom = artifact({ seed: 'sbom', subject, artifactType: 'application/vnd.test.sbom', annotations: { 'org.test': 'one' } })
const signature = artifact({ seed: 'signature', subject, artifactType: 'application/vnd.test.signature' })
/** Refers by its config's media type, for it names no artifactType. */
const attached = ociImage({ seed: 'attached', subject })
const index = {
  manifest: manifestOf(mediaTypes.ociIndex, {
    schemaVersion: 2,
    mediaType: mediaTypes.ociIndex,
    artifactType: 'application/vnd.test.index',
    manifests: [],
    subject,
  }),
  blobs: new Map(),
  children: [],
}

interface Listed {
  readonly schemaVersion: number
  readonly mediaType: string
  readonly manifests: readonly Record<string, unknown>[]
}

describe('distribution-spec, content discovery', () => {
  let registry: Conforming

  before(async () => {
    registry = await openConforming()
    await registry.push('discovery/app', image, tags.toReversed())
    for (const referrer of [sbom, signature, attached, index]) await registry.push('discovery/app', referrer)
  })
  after(() => registry[Symbol.asyncDispose]())

  const listTags = async (query: string) => {
    const answer = await registry.ask(`/v2/discovery/app/tags/list${query}`)
    assert.equal(answer.status, 200)
    return { ...(jsonOf(answer) as { name: string; tags: string[] }), link: answer.headers['link'] as string | undefined }
  }

  test('Listing Tags: must be 200 with the name and all tags, in lexical order', async () => {
    assert.deepEqual(await listTags(''), { name: 'discovery/app', tags, link: undefined })
  })

  test('Listing Tags: a repository that is not there must be 404', async () => {
    assert.equal((await registry.ask('/v2/discovery/nobody/tags/list')).status, 404)
  })

  test('Listing Tags: with n there must be no more than n; fewer only when there are no more', async () => {
    for (const n of [1, 3, tags.length - 1]) assert.deepEqual((await listTags(`?n=${n}`)).tags, tags.slice(0, n))
    assert.deepEqual((await listTags('?n=100')).tags, tags)
  })

  test('Listing Tags: with n of 0 the list must be empty, and there must be no Link', async () => {
    assert.deepEqual(await listTags('?n=0'), { name: 'discovery/app', tags: [], link: undefined })
  })

  test('Listing Tags: last must not be in the list, which goes on after it, whether it is a tag or not', async () => {
    assert.deepEqual((await listTags('?last=1.2')).tags, tags.slice(3))
    assert.deepEqual((await listTags('?last=1.1')).tags, tags.slice(1))
    assert.deepEqual((await listTags('?n=2&last=A')).tags, ['Z', '_x'])
    assert.deepEqual((await listTags('?last=latest')).tags, [])
  })

  test('Listing Tags: last is a name, never an index', async () => {
    assert.deepEqual((await listTags('?n=2&last=1')).tags, tags.slice(0, 2))
    assert.deepEqual((await listTags('?last=3')).tags, tags.slice(3))
  })

  test('Listing Tags: Link must have rel="next" as in RFC 5988, and following it gives every tag once', async () => {
    const found: string[] = []
    let path: string | undefined = '/v2/discovery/app/tags/list?n=2'
    while (path !== undefined) {
      const answer = await registry.ask(path)
      found.push(...(jsonOf(answer) as { tags: string[] }).tags)
      const link = answer.headers['link'] as string | undefined
      path = link === undefined ? undefined : /^<([^>]+)>; ?rel="next"$/.exec(link)?.[1]
      assert.equal(path === undefined, link === undefined)
    }
    assert.deepEqual(found, tags)
  })

  const listReferrers = async (query = '', digest: string = subject.digest) => {
    const answer = await registry.ask(`/v2/discovery/app/referrers/${digest}${query}`)
    assert.equal(answer.status, 200)
    assert.equal(answer.headers['content-type'], 'application/vnd.oci.image.index.v1+json')
    return { list: jsonOf(answer) as Listed, filters: answer.headers['oci-filters-applied'] }
  }
  const digestsIn = ({ manifests }: Listed) =>
    manifests.map(({ digest }) => digest).toSorted((one, other) => String(one).localeCompare(String(other)))
  const digestsOf = (...images: { manifest: { digest: string } }[]) => images.map(({ manifest }) => manifest.digest).toSorted()

  test('Listing Referrers: must be 200 with an image index of all that refer', async () => {
    const { list, filters } = await listReferrers()
    assert.deepEqual([list.schemaVersion, list.mediaType, filters], [2, 'application/vnd.oci.image.index.v1+json', undefined])
    assert.deepEqual(digestsIn(list), digestsOf(sbom, signature, attached, index))
  })

  test('Listing Referrers: each descriptor must have media type, size, artifactType (else that of the config) and annotations', async () => {
    const byDigest = new Map((await listReferrers()).list.manifests.map((each) => [each['digest'], each]))
    for (const [{ manifest }, artifactType] of [
      [sbom, 'application/vnd.test.sbom'],
      [signature, 'application/vnd.test.signature'],
      [attached, mediaTypes.ociConfig],
      [index, 'application/vnd.test.index'],
    ] as const) {
      const { mediaType, size, artifactType: told } = byDigest.get(manifest.digest) ?? {}
      assert.deepEqual([mediaType, size, told], [manifest.mediaType, manifest.bytes.length, artifactType])
    }
    assert.deepEqual(byDigest.get(sbom.manifest.digest)?.['annotations'], { 'org.test': 'one' })
  })

  test('Listing Referrers: where nothing refers it must be 200 with an empty list, not 404', async () => {
    for (const digest of [sbom.manifest.digest, digestOf(Buffer.from('nobody')), digestOf(Buffer.from('nobody'), 'sha512')]) {
      assert.deepEqual((await listReferrers('', digest)).list.manifests, [])
    }
  })

  test('Listing Referrers: a digest that is none must be 400', async () => {
    for (const digest of ['sha256:xyz', 'latest']) {
      assert.equal((await registry.ask(`/v2/discovery/app/referrers/${digest}`)).status, 400)
    }
  })

  test('Listing Referrers: artifactType should filter, and then OCI-Filters-Applied must say so', async () => {
    for (const [type, found] of [
      ['application/vnd.test.sbom', digestsOf(sbom)],
      [mediaTypes.ociConfig, digestsOf(attached)],
      ['application/vnd.test.index', digestsOf(index)],
      ['application/vnd.test.none', []],
    ] as const) {
      const { list, filters } = await listReferrers(`?artifactType=${encodeURIComponent(type)}`)
      assert.deepEqual(digestsIn(list), found)
      assert.equal(filters, 'artifactType')
    }
  })

  test("Listing Referrers: artifactType must be left out for an index that has none, and be the config's where an image has an empty one", async () => {
    const target = ociImage({ seed: 'types' })
    const to = descriptorOf(target)
    const untyped = manifestOf(mediaTypes.ociIndex, { schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests: [], subject: to })
    const plain = JSON.parse(ociImage({ seed: 'types', subject: to }).manifest.bytes.toString()) as object
    const emptyType = manifestOf(mediaTypes.ociManifest, { ...plain, artifactType: '' })
    await registry.push('discovery/types', target)
    for (const manifest of [untyped, emptyType]) {
      assert.equal((await registry.putManifest('discovery/types', manifest.digest, manifest)).status, 201)
    }
    const answer = await registry.ask(`/v2/discovery/types/referrers/${to.digest}`)
    const byDigest = new Map((jsonOf(answer) as Listed).manifests.map((each) => [each['digest'], each]))
    assert.equal('artifactType' in (byDigest.get(untyped.digest) ?? assert.fail()), false)
    assert.equal(byDigest.get(emptyType.digest)?.['artifactType'], mediaTypes.ociConfig)
  })

  test('Listing Tags: a repository without tags must be 200, and the list may be empty', async () => {
    await registry.push('discovery/untagged', image)
    const answer = await registry.ask('/v2/discovery/untagged/tags/list')
    assert.deepEqual([answer.status, jsonOf(answer)], [200, { name: 'discovery/untagged', tags: [] }])
  })

  test('Listing Referrers: what was pushed before its subject is listed once the subject is here, and before', async () => {
    const late = ociImage({ seed: 'late' })
    const early = artifact({ seed: 'early', subject: descriptorOf(late) })
    await registry.push('discovery/app', early)
    assert.deepEqual(digestsIn((await listReferrers('', late.manifest.digest)).list), digestsOf(early))
    await registry.push('discovery/app', late)
    assert.deepEqual(digestsIn((await listReferrers('', late.manifest.digest)).list), digestsOf(early))
  })

  test('Listing Referrers: a list that is larger than a manifest may be must come in pages by Link, filtered as well', async () => {
    const target = ociImage({ seed: 'pages' })
    await registry.push('discovery/pages', target)
    const many = ['a', 'b', 'c', 'd', 'e'].map((seed) => {
      const annotations = { 'org.test': seed.repeat(1_500_000) }
      return artifact({ seed, subject: descriptorOf(target), artifactType: 'application/vnd.test.large', annotations })
    })
    for (const each of many) await registry.push('discovery/pages', each)
    for (const query of ['', '?artifactType=application%2Fvnd.test.large']) {
      const found: unknown[] = []
      let pages = 0
      let path: string | undefined = `/v2/discovery/pages/referrers/${target.manifest.digest}${query}`
      while (path !== undefined) {
        const answer = await registry.ask(path)
        assert.ok(answer.body.length <= 4 * 1024 * 1024)
        assert.equal(answer.headers['oci-filters-applied'], query === '' ? undefined : 'artifactType')
        found.push(...(jsonOf(answer) as Listed).manifests.map(({ digest }) => digest))
        path = /^<([^>]+)>; ?rel="next"$/.exec(String(answer.headers['link']))?.[1]
        pages += 1
      }
      assert.deepEqual([pages, found], [3, digestsOf(...many)])
    }
  })

  test('Listing Referrers: those of another repository are not listed', async () => {
    await registry.push('discovery/other', image)
    const answer = await registry.ask(`/v2/discovery/other/referrers/${subject.digest}`)
    assert.deepEqual([answer.status, (jsonOf(answer) as Listed).manifests], [200, []])
  })
})
