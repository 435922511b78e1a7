// One request at one of the Hub's parts, read and classified, before anybody answers it.
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Kind, LedgerEntry } from './ledger.ts'
import type { Part } from './parts.ts'

/** What a URL is about. */
export interface Target {
  readonly kind: Kind
  readonly repository?: string
  readonly reference?: string
  readonly digest?: string
}

export interface Exchange {
  readonly at: Part
  readonly target: Target
  readonly method: string
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: IncomingHttpHeaders
  /** The Range header, unless a fault says to overlook it. */
  readonly range: string | undefined
  readonly clientAddress: string
  readonly entry: LedgerEntry
  readonly request: IncomingMessage
  /** In HTTP/2, Node's compatible response of the same shape. */
  readonly response: ServerResponse
  /** The TCP socket below everything, TLS and HTTP/2 included. */
  readonly socket: Socket
}

const cdnPath = /^\/registry-v2\/docker\/registry\/v2\/blobs\/sha256\/[0-9a-f]{2}\/([0-9a-f]{64})\/data$/
const apiPath = /^\/v2\/(.+)\/(manifests|blobs|referrers|tags)\/([^/]+)$/

const fixedPaths: Readonly<Record<string, Kind>> = { '/v2/': 'ping', '/v2': 'ping', '/v2/_catalog': 'catalog', '/v1/search': 'search' }

/** The targets below a repository, by the noun that follows its name. */
const nouns: Readonly<Record<string, (repository: string, last: string) => Target>> = {
  manifests: (repository, last) => ({ kind: 'manifest', repository, reference: last, ...(last.includes(':') ? { digest: last } : {}) }),
  blobs: (repository, last) => ({ kind: 'blob', repository, digest: last }),
  referrers: (repository, last) => ({ kind: 'referrers', repository, digest: last }),
  tags: (repository, last) => (last === 'list' ? { kind: 'tags', repository } : { kind: 'other' }),
}

function registryTarget(path: string): Target {
  const fixed = path.startsWith('/v2/namespaces/') ? 'search' : fixedPaths[path]
  if (fixed !== undefined) return { kind: fixed }
  const [, repository, noun, last] = apiPath.exec(path) ?? []
  if (repository === undefined || noun === undefined || last === undefined) return { kind: 'other' }
  return nouns[noun]?.(repository, last) ?? { kind: 'other' }
}

/** What a request at this part is about, by its path. */
export function targetOf(at: Part, path: string): Target {
  if (at === 'auth') return { kind: path === '/token' ? 'token' : 'other' }
  if (at === 'registry') return registryTarget(decodeURIComponent(path))
  const hex = cdnPath.exec(path)?.[1]
  return hex === undefined ? { kind: 'other' } : { kind: 'cdn', digest: `sha256:${hex}` }
}

const bodyLimit = 64 * 1024

/** The request's body as text, 64 KiB at most. */
export async function readBody(exchange: Exchange): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of exchange.request) {
    const bytes = chunk as Buffer
    size += bytes.length
    if (size > bodyLimit) throw new Error(`a body of more than ${bodyLimit} bytes came to the stand-in Hub's ${exchange.at}`)
    chunks.push(bytes)
  }
  return Buffer.concat(chunks).toString('utf8')
}
