// Manifests at the stand-in registry: content negotiation, pull quota, HEAD, 304.
import { digestOf, type Manifest, mediaTypes } from '../images.ts'
import { type Answer, answerOf, apiVersion, errorAnswer } from './answer.ts'
import type { Repository } from './content.ts'
import type { Exchange } from './exchange.ts'
import { pullLimitAnswer } from './quota.ts'
import type { Quota } from './settings.ts'
import type { State } from './state.ts'

/** The quota that a request falls under, and whose it is; `undefined` for accounts without one. */
function quotaOf(state: State, exchange: Exchange): { quota: Quota; source: string } | undefined {
  const { account } = exchange.entry
  const { quota } = state.settings
  if (quota === undefined) return undefined
  if (account === undefined) return { quota, source: exchange.clientAddress }
  const limit = state.accounts.get(account)?.limit
  return typeof limit === 'number' ? { quota: { ...quota, limit }, source: account } : undefined
}

/** The message of the Hub of 2024 if Accept lacks this OCI type. */
function mismatchOf(manifest: Manifest, accept: string): string | undefined {
  if (accept.includes(manifest.mediaType) || accept.includes('*/*') || accept === '') return undefined
  if (manifest.mediaType === mediaTypes.ociIndex) return 'OCI index found, but accept header does not support OCI indexes'
  if (manifest.mediaType === mediaTypes.ociManifest) return 'OCI manifest found, but accept header does not support OCI manifests'
  return undefined
}

/** What a client without Accept once got: Docker's first manifest format. */
function schema1Of(repository: Repository, reference: string): Manifest {
  const bytes = Buffer.from(
    JSON.stringify({ schemaVersion: 1, name: repository.name, tag: reference, architecture: 'amd64', fsLayers: [], history: [] }, null, 3),
  )
  return { bytes, mediaType: 'application/vnd.docker.distribution.manifest.v1+prettyjws', digest: digestOf(bytes) }
}

function unknown(reference: string): Answer {
  const isDigest = reference.includes(':')
  return errorAnswer(404, 'MANIFEST_UNKNOWN', 'manifest unknown', isDigest ? `unknown manifest digest ${reference}` : { Tag: reference })
}

function chosen(state: State, exchange: Exchange, repository: Repository): Manifest | Answer {
  const reference = exchange.target.reference ?? ''
  const found = state.content.findManifest(repository, reference)
  if (found === undefined) return unknown(reference)
  const accept = exchange.headers.accept ?? ''
  if (state.settings.withoutAccept === 'schema1' && (accept === '' || accept === '*/*')) return schema1Of(repository, reference)
  const mismatch = state.settings.accept === 'strict' ? mismatchOf(found, accept) : undefined
  return mismatch === undefined ? found : errorAnswer(404, 'MANIFEST_UNKNOWN', mismatch)
}

function manifestAnswer(state: State, exchange: Exchange, manifest: Manifest, limits: Record<string, string>): Answer {
  const headers = {
    'Content-Type': manifest.mediaType,
    'Docker-Content-Digest': manifest.digest,
    ...apiVersion,
    ETag: `"${manifest.digest}"`,
    'Strict-Transport-Security': 'max-age=31536000',
    ...limits,
  }
  const isKnown = state.settings.notModified && exchange.headers['if-none-match']?.includes(manifest.digest) === true
  return isKnown ? answerOf(304, headers) : answerOf(200, headers, manifest.bytes)
}

/** `GET` and `HEAD /v2/<name>/manifests/<reference>`. */
export function answerManifest(state: State, exchange: Exchange, repository: Repository): Answer {
  const isHead = exchange.method === 'HEAD'
  if (isHead && state.settings.headRefused !== undefined) {
    return errorAnswer(state.settings.headRefused, 'UNSUPPORTED', 'The operation is unsupported.')
  }
  const manifest = chosen(state, exchange, repository)
  if ('status' in manifest) return manifest
  const metered = quotaOf(state, exchange)
  let limits: Record<string, string> = {}
  if (metered !== undefined) {
    const { quota, source } = metered
    if ((!isHead || quota.refusesHead === true) && state.pulls.isExhausted(source, quota)) {
      return pullLimitAnswer(quota, state.pulls.headers(source, quota))
    }
    if (!isHead) {
      state.pulls.charge(source, quota)
      exchange.entry.counted = true
    }
    limits = state.pulls.headers(source, quota)
  }
  const answer = manifestAnswer(state, exchange, manifest, limits)
  if (isHead) state.content.afterHead(repository.name, exchange.target.reference ?? '')
  return answer
}
