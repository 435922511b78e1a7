// Tags and referrers from the upstream, paged or not, and answers that are no lists.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type HubOptions, startHub } from '../support/hub/hub.ts'
import { artifact, descriptorOf, ociImage } from '../support/images.ts'
import { failureOf, referenceOf, remoteFor, repositoryOf, scriptedServer } from './remote.ts'

const image = ociImage({ seed: 'lists' })
const subject = referenceOf(image.manifest.digest) as never
const app = repositoryOf('acme/app')
const { signal } = new AbortController()
const whole = { n: undefined, last: undefined }

async function hubWithTags(tags: readonly string[], options: HubOptions = {}) {
  const hub = await startHub(options)
  hub.add('acme/app', image, { tags })
  return hub
}

describe('tags', () => {
  it('come all at once and sorted without n', async () => {
    await using hub = await hubWithTags(['b', 'a', 'Z', '1.0', '10', '9'])
    await using remote = remoteFor(hub.url)
    assert.deepEqual(await remote.content.listTags(app, whole, signal), { items: ['1.0', '10', '9', 'Z', 'a', 'b'], more: false })
  })

  it('come in thousands', async () => {
    const tags = Array.from({ length: 8225 }, (_, n) => `build-${String(n).padStart(6, '0')}`)
    await using hub = await hubWithTags(tags)
    await using remote = remoteFor(hub.url)
    assert.deepEqual((await remote.content.listTags(app, whole, signal))?.items, tags)
  })

  it('come in pages, also where upstream gives smaller ones', async () => {
    const tags = Array.from({ length: 25 }, (_, n) => `t${String(n).padStart(2, '0')}`)
    await using hub = await hubWithTags(tags, { tagsPageLimit: 10 })
    await using remote = remoteFor(hub.url)
    const seen: string[] = []
    for (let last: string | undefined, more = true; more; last = seen.at(-1)) {
      const page = await remote.content.listTags(app, { n: 15, last }, signal)
      seen.push(...(page?.items ?? []))
      more = page?.more ?? false
    }
    assert.deepEqual(seen, tags)
    assert.equal(hub.count({ kind: 'tags', status: 200 }), 3)
  })

  it('are cut here where upstream ignores n and last', async () => {
    await using server = await scriptedServer((_, response) => response.end('{"name":"acme/app","tags":["d","b","c","a"]}'))
    await using remote = remoteFor(server.url)
    assert.deepEqual(await remote.content.listTags(app, { n: 2, last: undefined }, signal), { items: ['a', 'b'], more: true })
    assert.deepEqual(await remote.content.listTags(app, { n: 2, last: 'b' }, signal), { items: ['c', 'd'], more: false })
    assert.deepEqual(await remote.content.listTags(app, { n: 0, last: undefined }, signal), { items: [], more: false })
    assert.equal(server.requests[1]?.url, '/v2/acme/app/tags/list?n=2&last=b')
  })

  it('that are null are none; odd entries are left out', async () => {
    const bodies = ['{"name":"x","tags":null}', '{"name":"x"}', '{"tags":["ok","../evil",7,"ok"]}']
    await using server = await scriptedServer((_, response) => response.end(bodies.shift()))
    await using remote = remoteFor(server.url)
    assert.deepEqual(await remote.content.listTags(app, whole, signal), { items: [], more: false })
    assert.deepEqual(await remote.content.listTags(app, whole, signal), { items: [], more: false })
    assert.deepEqual(await remote.content.listTags(app, whole, signal), { items: ['ok'], more: false })
  })

  it('of an unknown repository are undefined; of one that is not ours to see, denied', async () => {
    await using server = await scriptedServer((_, response) => response.writeHead(404).end())
    await using plain = remoteFor(server.url)
    assert.equal(await plain.content.listTags(app, whole, signal), undefined)
    await using hub = await startHub()
    await using remote = remoteFor(hub.url)
    await failureOf(remote.content.listTags(app, whole, signal), 'denied')
  })

  for (const [name, fault, kind] of [
    ['a page for people', { html200: true }, 'broken'],
    ['JSON of another shape', { body: '{"tags":"latest"}' }, 'broken'],
    ['a list of names only', { body: '["latest"]' }, 'broken'],
    ['500', { status: 500 }, 'unavailable'],
    ['429', { status: 429 }, 'rate-limited'],
    ['more than 16 MiB', { body: ' '.repeat(17 * 1024 * 1024) }, 'broken'],
  ] as const) {
    it(`answered by ${name} are ${kind}`, async () => {
      await using hub = await hubWithTags(['latest'])
      await using remote = remoteFor(hub.url)
      hub.script([{ on: { kind: 'tags' }, after: 1, ...fault }])
      await failureOf(remote.content.listTags(app, whole, signal), kind)
    })
  }
})

describe('referrers', () => {
  it('come as upstream lists them, filtered where it filters', async () => {
    await using hub = await hubWithTags(['latest'])
    const sbom = artifact({ seed: 'sbom', subject: descriptorOf(image) })
    hub.addReferrer('acme/app', image.manifest.digest, sbom)
    await using remote = remoteFor(hub.url)
    const all = await remote.content.listReferrers(app, subject, undefined, signal)
    const digests = (bytes: Uint8Array | undefined) =>
      (JSON.parse(Buffer.from(bytes ?? []).toString()) as { manifests: { digest: string }[] }).manifests.map(({ digest }) => digest)
    assert.deepEqual(digests(all?.bytes), [sbom.manifest.digest])
    assert.equal(all?.filtersApplied, undefined)
    const none = await remote.content.listReferrers(app, subject, 'application/vnd.other', signal)
    assert.deepEqual(digests(none?.bytes), [])
    assert.equal(none?.filtersApplied, 'artifactType')
  })

  it('come whole where upstream gives them in pages, filtered or not', async () => {
    await using hub = await hubWithTags(['latest'], { referrersPageLimit: 2 })
    const sboms = ['a', 'b', 'c', 'd', 'e'].map((seed) =>
      artifact({ seed, subject: descriptorOf(image), artifactType: 'application/vnd.test' }),
    )
    for (const sbom of sboms) hub.addReferrer('acme/app', image.manifest.digest, sbom)
    await using remote = remoteFor(hub.url)
    for (const type of [undefined, 'application/vnd.test']) {
      const found = await remote.content.listReferrers(app, subject, type, signal)
      const { mediaType, manifests } = JSON.parse(Buffer.from(found?.bytes ?? []).toString()) as {
        mediaType: string
        manifests: { digest: string }[]
      }
      assert.equal(mediaType, 'application/vnd.oci.image.index.v1+json')
      assert.deepEqual(
        manifests.map(({ digest }) => digest),
        sboms.map(({ manifest }) => manifest.digest),
      )
      assert.equal(found?.filtersApplied, type === undefined ? undefined : 'artifactType')
    }
    assert.equal(hub.ledger.filter(({ kind, status }) => kind === 'referrers' && status === 200).length, 6)
  })

  it('fail where a page is missing, or leads back to itself', async () => {
    await using hub = await hubWithTags(['latest'], { referrersPageLimit: 1 })
    for (const seed of ['a', 'b', 'c']) hub.addReferrer('acme/app', image.manifest.digest, artifact({ seed, subject: descriptorOf(image) }))
    await using remote = remoteFor(hub.url)
    hub.script([{ on: { kind: 'referrers' }, after: 2, status: 404 }])
    await failureOf(remote.content.listReferrers(app, subject, undefined, signal), 'broken')
    const page = { body: '{"manifests":[]}', headers: { Link: '<?from=1>; rel="next"' } }
    hub.script([{ on: { kind: 'referrers' }, times: Number.POSITIVE_INFINITY, ...page }])
    await failureOf(remote.content.listReferrers(app, subject, undefined, signal), 'broken')
  })

  for (const [name, fault] of [
    ['404', { status: 404 }],
    ['405', { status: 405 }],
    ['400', { status: 400 }],
    ['501', { status: 501 }],
    ['a page for people with 200', { html200: true }],
    ['JSON that is no index', { body: '{"errors":[]}' }],
  ] as const) {
    it(`are undefined where upstream answers ${name}`, async () => {
      await using hub = await hubWithTags(['latest'])
      await using remote = remoteFor(hub.url)
      hub.script([{ on: { kind: 'referrers' }, after: 1, ...fault }])
      assert.equal(await remote.content.listReferrers(app, subject, undefined, signal), undefined)
      assert.deepEqual(hub.unusedRules(), [])
    })
  }

  for (const [status, kind] of [
    [429, 'rate-limited'],
    [503, 'unavailable'],
    [403, 'denied'],
  ] as const) {
    it(`are ${kind}, not missing, after ${status}`, async () => {
      await using hub = await hubWithTags(['latest'])
      await using remote = remoteFor(hub.url)
      hub.script([{ on: { kind: 'referrers' }, after: 1, status }])
      await failureOf(remote.content.listReferrers(app, subject, undefined, signal), kind)
    })
  }
})
