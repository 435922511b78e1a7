// Manifests, tags and referrers as the conformance program pushes, asks for and deletes them.
import assert from 'node:assert/strict'
import { jsonOf } from '../conforming.ts'
import { type Client, headerOf, withQuery } from './client.ts'
import type { PushedManifest, Referrer } from './data.ts'

const ociIndex = 'application/vnd.oci.image.index.v1+json'
const accept = `${ociIndex}, application/vnd.oci.image.manifest.v1+json`

function urlOf(client: Client, repository: string, reference: string): URL {
  return client.at(`/v2/${repository}/manifests/${reference}`)
}

/** What every answer about this manifest must say. */
function headersOf({ mediaType, bytes, digest }: PushedManifest): Record<string, string> {
  return { 'content-type': mediaType, 'content-length': String(bytes.length), 'docker-content-digest': digest }
}

export interface Pushing {
  /** Tags that come as parameters. */
  readonly tags?: readonly string[]
  readonly isBad?: boolean
}

export async function putManifest(
  client: Client,
  repository: string,
  reference: string,
  manifest: PushedManifest,
  { tags = [], isBad = false }: Pushing = {},
): Promise<void> {
  const plain = urlOf(client, repository, reference)
  const url = tags.length > 0 ? withQuery(plain, { tag: tags }) : plain
  const sending = { method: 'PUT', headers: { 'content-type': manifest.mediaType }, body: manifest.bytes }
  const subject = manifest.subject === undefined ? undefined : { 'oci-subject': manifest.subject }
  const answer = await client.expect(url, sending, isBad ? { status: [400] } : { status: [201], headers: { location: '', ...subject } })
  if (isBad) return
  assert.equal(answer.headers['docker-content-digest'], manifest.digest)
  const told = tags.length > 0 ? headerOf(answer, 'oci-tag').split(',') : []
  assert.deepEqual(told.map((tag) => tag.trim()).toSorted(), tags.toSorted())
  const at = client.at(headerOf(answer, 'location'), url)
  await client.expect(at, { headers: { accept } }, { status: [200], headers: headersOf(manifest), body: manifest.bytes })
}

export async function headManifest(client: Client, repository: string, reference: string, manifest: PushedManifest): Promise<void> {
  const expected = { status: [200], headers: headersOf(manifest), body: Buffer.alloc(0) }
  await client.expect(urlOf(client, repository, reference), { method: 'HEAD', headers: { accept } }, expected)
}

export async function pullManifest(client: Client, repository: string, reference: string, manifest: PushedManifest): Promise<void> {
  const expected = { status: [200], headers: headersOf(manifest), body: manifest.bytes }
  await client.expect(urlOf(client, repository, reference), { headers: { accept } }, expected)
}

/** Gone at once. */
export async function deleteManifest(client: Client, repository: string, reference: string): Promise<void> {
  const url = urlOf(client, repository, reference)
  await client.expect(url, { method: 'DELETE' }, { status: [202, 404] })
  await client.expect(url, { method: 'HEAD', headers: { accept } }, { status: [404] })
}

export async function expectNoManifest(client: Client, repository: string, reference: string, status: readonly number[]): Promise<void> {
  for (const method of ['GET', 'HEAD'])
    await client.expect(urlOf(client, repository, reference), { method, headers: { accept } }, { status })
}

/** `undefined` where the repository has nothing. */
export async function listTags(client: Client, repository: string, last?: string): Promise<readonly string[] | undefined> {
  const url = client.at(`/v2/${repository}/tags/list`)
  const answer = await client.expect(last === undefined ? url : withQuery(url, { last }), {}, { status: [200, 404] })
  return answer.status === 404 ? undefined : (jsonOf(answer) as { tags: string[] }).tags
}

/** Lists them all, and by each type that they have. */
export async function expectReferrers(client: Client, repository: string, subject: string, goal: readonly Referrer[]): Promise<void> {
  const url = client.at(`/v2/${repository}/referrers/${subject}`)
  assertHasAll(await listReferrers(client, url), goal)
  for (const artifactType of new Set(goal.map((each) => each.artifactType ?? ''))) {
    const filtered = withQuery(url, { artifactType })
    const found = await listReferrers(client, filtered, { 'oci-filters-applied': 'artifactType' })
    assertHasAll(
      found,
      goal.filter((each) => each.artifactType === artifactType),
    )
    for (const each of found) assert.equal(each.artifactType, artifactType)
  }
}

export async function listReferrers(
  client: Client,
  url: URL,
  headers: Readonly<Record<string, string>> = {},
): Promise<readonly Referrer[]> {
  const answer = await client.expect(url, {}, { status: [200], headers: { 'content-type': ociIndex, ...headers } })
  const { mediaType, schemaVersion, manifests } = jsonOf(answer) as { mediaType: string; schemaVersion: number; manifests: Referrer[] }
  assert.deepEqual([mediaType, schemaVersion], [ociIndex, 2])
  return manifests
}

function assertHasAll(found: readonly Referrer[], goal: readonly Referrer[]): void {
  const byDigest = new Map(found.map((each) => [each.digest, each]))
  for (const { digest, mediaType, size, artifactType, annotations } of goal) {
    const each = byDigest.get(digest)
    assert.ok(each !== undefined, `${digest} is not listed`)
    assert.deepEqual([each.mediaType, each.size, each.artifactType], [mediaType, size, artifactType])
    assert.deepEqual({ ...each.annotations, ...annotations }, each.annotations ?? {})
  }
}
