// Blobs: the registry's redirects with signed URLs, and the two CDNs behind them.
import { createHash } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import { etagOf } from './access.ts'
import { type Answer, answerOf, apiVersion, type Body, bodyOf, bytesOf, errorAnswer, rangedAnswer, xmlAnswer } from './answer.ts'
import type { Repository } from './content.ts'
import type { Exchange } from './exchange.ts'
import type { Part } from './parts.ts'
import type { State } from './state.ts'

const lastModified = 'Mon, 01 Jan 2024 00:00:00 GMT'

function cdnFor(state: State): Part {
  const { cdn } = state.settings
  if (cdn !== 'random') return cdn
  return state.random() < 0.5 ? 'cdn-a' : 'cdn-b'
}

/** A fresh signed URL, in the style of the CDN that it leads to. */
function signedUrl(state: State, digest: string): string {
  const cdn = cdnFor(state)
  const hex = digest.slice('sha256:'.length)
  const life = state.settings.signatureLifeSeconds
  const signature = createHash('sha256').update(`signature ${state.random()}`).digest('hex')
  const expiresAt = state.now() + life * 1000
  state.signatures.set(signature, { digest, cdn, expiresAt, usesLeft: state.settings.signatureUses })
  const base = `${state.urls[cdn]}/registry-v2/docker/registry/v2/blobs/sha256/${hex.slice(0, 2)}/${hex}/data`
  if (cdn === 'cdn-a') return `${base}?verify=${Math.floor(expiresAt / 1000)}-${signature}`
  const date = new Date(state.claimedNow()).toISOString().replaceAll(/[-:]|\.\d+/g, '')
  const credential = encodeURIComponent(`stand-in/${date.slice(0, 8)}/auto/s3/aws4_request`)
  return `${base}?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=${credential}&X-Amz-Date=${date}&X-Amz-Expires=${life}&X-Amz-SignedHeaders=host&X-Amz-Signature=${signature}`
}

function headAnswer(body: Body, digest: string): Answer {
  const headers = { 'Content-Type': 'application/octet-stream', 'Docker-Content-Digest': digest, 'Accept-Ranges': 'bytes', ...apiVersion }
  return { status: 200, headers, body }
}

/** `GET` and `HEAD /v2/<name>/blobs/<digest>` at the registry. */
export function answerBlob(state: State, exchange: Exchange, repository: Repository): Answer {
  const digest = exchange.target.digest ?? ''
  const blob = repository.blobs.get(digest)
  if (blob === undefined) return errorAnswer(404, 'BLOB_UNKNOWN', 'blob unknown to registry', digest)
  const { redirect, blobHead } = state.settings
  if (exchange.method === 'HEAD' && (blobHead === 200 || redirect === 'none')) return headAnswer(blob, digest)
  if (redirect !== 'none') {
    return answerOf(redirect, { 'Content-Type': 'application/octet-stream', ...apiVersion, Location: signedUrl(state, digest) })
  }
  const headers = { 'Content-Type': 'application/octet-stream', 'Docker-Content-Digest': digest, ETag: `"${digest}"`, ...apiVersion }
  return rangedAnswer(exchange, blob, headers)
}

function findBlob(state: State, digest: string): Body | undefined {
  for (const repository of state.content.repositories.values()) {
    const blob = repository.blobs.get(digest)
    if (blob !== undefined) return blob
  }
  return undefined
}

/** Uses up a signature; false if it is unknown, expired, used up, or for another blob or CDN. */
function redeem(state: State, exchange: Exchange): boolean {
  const { query, target, at } = exchange
  const signature = state.signatures.get(query.get('X-Amz-Signature') ?? query.get('verify')?.split('-')[1] ?? '')
  if (signature === undefined || signature.digest !== target.digest || signature.cdn !== at) return false
  if (signature.usesLeft <= 0 || signature.expiresAt <= state.now()) return false
  signature.usesLeft -= 1
  return true
}

async function zipped(body: Body, headers: Record<string, string>): Promise<Answer> {
  const compressed = gzipSync(await bytesOf(body))
  return { status: 200, headers: { ...headers, 'Content-Encoding': 'gzip' }, body: bodyOf(compressed), isChunked: true }
}

/** A CDN's answer to whatever comes. */
export async function answerCdn(state: State, exchange: Exchange): Promise<Answer> {
  const { digest } = exchange.target
  if (exchange.headers.authorization !== undefined) return xmlAnswer(400, 'InvalidRequest', 'Missing x-amz-content-sha256')
  if (exchange.method !== 'GET') return xmlAnswer(403, 'AccessDenied', 'Access Denied')
  if (digest === undefined || !redeem(state, exchange)) return xmlAnswer(403, 'AccessDenied', 'Request has expired')
  const blob = findBlob(state, digest)
  if (blob === undefined) return xmlAnswer(404, 'NoSuchKey', 'The specified key does not exist.')
  const headers = {
    'Content-Type': 'application/octet-stream',
    'Cache-Control': 'public, max-age=14400',
    ETag: etagOf(digest),
    'Last-Modified': lastModified,
    Vary: 'Accept-Encoding',
  }
  const mayZip = state.settings.cdnGzip && exchange.range === undefined && /\bgzip\b/.test(exchange.headers['accept-encoding'] ?? '')
  return mayZip ? zipped(blob, headers) : rangedAnswer(exchange, blob, headers)
}
