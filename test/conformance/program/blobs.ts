// Blobs in every way in which the conformance program pushes, mounts, asks for and removes them.
import assert from 'node:assert/strict'
import type { Answer } from '../../http/serving.ts'
import { type Client, headerOf, type Sending, withQuery } from './client.ts'

export interface Blob {
  readonly digest: string
  readonly bytes: Buffer
}

export interface How {
  /** The bytes are not those of the digest, so the end must be 400. */
  readonly isBad?: boolean
  /** Each chunk is first sent from a wrong place. */
  readonly isOutOfOrder?: boolean
  /** The last chunk comes with the PUT that ends the upload. */
  readonly endsWithChunk?: boolean
}

const octets = { 'content-type': 'application/octet-stream' }
const leastChunk = 1024

export type Push = (client: Client, repository: string, blob: Blob, how?: How) => Promise<void>

/** The ways, in the order in which the program tries them. */
export const pushes: Readonly<Record<string, Push>> = {
  'POST and PUT': pushPostPut,
  'POST alone': pushPostAlone,
  'PATCH in one stream': pushStream,
  'PATCH in chunks': pushChunks,
}

function uploadsOf(client: Client, repository: string): URL {
  return client.at(`/v2/${repository}/blobs/uploads/`)
}

async function begin(client: Client, repository: string): Promise<{ readonly at: URL; readonly answer: Answer }> {
  const uploads = uploadsOf(client, repository)
  const answer = await client.expect(uploads, { method: 'POST' }, { status: [202], headers: { location: '' } })
  return { at: client.at(headerOf(answer, 'location'), uploads), answer }
}

/** The PUT that ends an upload, and what must be true after it. */
async function finish(client: Client, at: URL, blob: Blob, sending: Sending & How): Promise<void> {
  const url = withQuery(at, { digest: blob.digest })
  const answer = await client.expect(url, { ...sending, method: 'PUT' }, { status: [sending.isBad === true ? 400 : 201] })
  if (sending.isBad !== true) await verifyCreated(client, url, blob, answer)
}

async function verifyCreated(client: Client, from: URL, { digest, bytes }: Blob, answer: Answer): Promise<void> {
  assert.equal(answer.headers['docker-content-digest'], digest)
  await client.expect(client.at(headerOf(answer, 'location'), from), {}, { status: [200], body: bytes })
}

export async function pushPostPut(client: Client, repository: string, blob: Blob, how: How = {}): Promise<void> {
  const { at } = await begin(client, repository)
  await finish(client, at, blob, { ...how, headers: octets, body: blob.bytes, tellsLength: true })
}

export async function pushPostAlone(client: Client, repository: string, blob: Blob, { isBad = false }: How = {}): Promise<void> {
  const url = withQuery(uploadsOf(client, repository), { digest: blob.digest })
  const sending = { method: 'POST', headers: octets, body: blob.bytes, tellsLength: true }
  // A registry without it may answer 202; this one has it.
  const answer = await client.expect(url, sending, isBad ? { status: [400] } : { status: [201], headers: { location: '' } })
  if (!isBad) await verifyCreated(client, url, blob, answer)
}

export async function pushStream(client: Client, repository: string, blob: Blob, how: How = {}): Promise<void> {
  const { at } = await begin(client, repository)
  const sent = await client.expect(at, { method: 'PATCH', headers: octets, body: blob.bytes }, { status: [202], headers: { location: '' } })
  await finish(client, client.at(headerOf(sent, 'location'), at), blob, { ...how, headers: octets })
}

export async function pushChunks(client: Client, repository: string, blob: Blob, how: How = {}): Promise<void> {
  const { bytes } = blob
  const { at: first, answer } = await begin(client, repository)
  const least = Math.max(leastChunk, Number(answer.headers['oci-chunk-min-length'] ?? 0))
  const length = Math.min(Math.max(Math.floor(bytes.length / 3) + 1, least), bytes.length)
  let at = first
  for (let start = 0; start < bytes.length; start += length) {
    if (how.isOutOfOrder === true) at = await refused(client, at, blob, { start, length, how })
    const end = Math.min(start + length, bytes.length)
    const sending = chunkOf(bytes, start, end)
    if (how.endsWithChunk === true && end === bytes.length) return finish(client, at, blob, { ...how, ...sending })
    const taken = await client.expect(at, { ...sending, method: 'PATCH' }, { status: [202], headers: { range: `0-${end - 1}` } })
    at = client.at(headerOf(taken, 'location'), at)
  }
  await finish(client, at, blob, { ...how, headers: octets })
}

function chunkOf(bytes: Buffer, start: number, end: number): Sending {
  return { headers: { ...octets, 'content-range': `${start}-${end - 1}` }, body: bytes.subarray(start, end), tellsLength: true }
}

interface Attempt {
  readonly start: number
  readonly length: number
  readonly how: How
}

/** Sends the chunk after the next one, or the first one again: 416. Then the upload is asked where it stands. */
async function refused(client: Client, at: URL, { digest, bytes }: Blob, { start, length, how }: Attempt): Promise<URL> {
  const from = start + length >= bytes.length ? 0 : start + length
  const end = Math.min(from + length, bytes.length)
  const isLast = how.endsWithChunk === true && end === bytes.length
  const url = isLast ? withQuery(at, { digest }) : at
  await client.expect(url, { ...chunkOf(bytes, from, end), method: isLast ? 'PUT' : 'PATCH' }, { status: [416] })
  const status = await client.expect(url, {}, { status: [204], headers: { location: '' } })
  const range = headerOf(status, 'range')
  assert.match(range, /^0-\d+$/)
  if (start > 0) assert.equal(range, `0-${start - 1}`)
  return client.at(headerOf(status, 'location'), url)
}

export async function cancel(client: Client, repository: string): Promise<void> {
  const { at } = await begin(client, repository)
  await client.expect(at, { method: 'DELETE' }, { status: [204] })
}

/** `from` undefined: wherever it may be found. */
export async function mount(client: Client, repository: string, blob: Blob, from: string | undefined): Promise<void> {
  const url = withQuery(uploadsOf(client, repository), { mount: blob.digest, ...(from === undefined ? {} : { from }) })
  await verifyCreated(client, url, blob, await client.expect(url, { method: 'POST' }, { status: [201] }))
}

/** A mount of what the other repository does not have becomes an upload. */
export async function mountMissing(client: Client, repository: string, blob: Blob, from: string): Promise<void> {
  const url = withQuery(uploadsOf(client, repository), { mount: blob.digest, from })
  const answer = await client.expect(url, { method: 'POST' }, { status: [202], headers: { location: '' } })
  const at = client.at(headerOf(answer, 'location'), url)
  await finish(client, at, blob, { headers: octets, body: blob.bytes, tellsLength: true })
}

function urlOf(client: Client, repository: string, digest: string): URL {
  return client.at(`/v2/${repository}/blobs/${digest}`)
}

export async function headBlob(client: Client, repository: string, { digest, bytes }: Blob): Promise<void> {
  const headers = { 'content-length': String(bytes.length), 'docker-content-digest': digest }
  await client.expect(urlOf(client, repository, digest), { method: 'HEAD' }, { status: [200], headers, body: Buffer.alloc(0) })
}

export async function pullBlob(client: Client, repository: string, { digest, bytes }: Blob): Promise<void> {
  const headers = { 'content-length': String(bytes.length), 'docker-content-digest': digest }
  await client.expect(urlOf(client, repository, digest), {}, { status: [200], headers, body: bytes })
}

export async function pullRange(
  client: Client,
  repository: string,
  blob: Blob,
  range: string,
  part?: readonly [number, number],
): Promise<void> {
  const [start, end] = part ?? [0, 0]
  const length = blob.bytes.length
  const headers = { 'content-length': String(end - start), 'content-range': `bytes ${start}-${end - 1}/${length}` }
  await client.expect(
    urlOf(client, repository, blob.digest),
    { headers: { range } },
    part === undefined ? { status: [416] } : { status: [206], headers, body: blob.bytes.subarray(start, end) },
  )
}

/** Gone at once, for HEAD too; what is gone already may be 404. */
export async function deleteBlob(client: Client, repository: string, digest: string): Promise<void> {
  const url = urlOf(client, repository, digest)
  await client.expect(url, { method: 'DELETE' }, { status: [202, 404] })
  await client.expect(url, { method: 'HEAD' }, { status: [404] })
}
