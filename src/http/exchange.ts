// One request and its answer, as handlers see it. Koa carries it as `ctx.state`; answers are written straight to Node's
// response, because Koa's setters would add charsets to media types and cost more than the whole rest of a hot answer.
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Provenance } from '../content.ts'
import type { Descriptor } from '../oci/descriptor.ts'
import type { Reference, RepositoryName, Tag } from '../oci/names.ts'
import { encodedNames } from './encoded-names.ts'
import { endAfterBody, isUnread, isWaiting } from './request-body.ts'

const noHeaders: readonly string[] = []

export class Exchange {
  readonly req: IncomingMessage
  readonly res: ServerResponse
  /** For the log only; never sent. */
  readonly requestId: string
  /** As it came, still percent-encoded, without the query. */
  readonly path: string
  /** Without its question mark. */
  readonly query: string
  /** Of whom the log speaks: the peer, or whom a trusted proxy names. */
  readonly clientAddress: string
  readonly startedAt: number
  /** Name, value, name, value: what every answer of the matched route carries. */
  commonHeaders: readonly string[] = noHeaders
  /** Who asks, for the log; `undefined`: nobody that is known. */
  user: string | undefined
  /** Whether its client may have it, once that was asked. */
  isAllowed: boolean | Promise<boolean> | undefined
  /** Body bytes that were handed to the connection. */
  bodyBytes = 0
  /** `undefined` where the request is not about a manifest or a blob, or did not come so far. */
  repository: RepositoryName | undefined
  reference: Reference | undefined
  descriptor: Descriptor | undefined
  provenance: Provenance | undefined
  /** Tags that went with a manifest. */
  removedTags: readonly Tag[] | undefined
  /** Of a blob that was mounted. */
  mountedFrom: RepositoryName | undefined
  /** How long content was waited for, where upstream had a part in it. */
  upstreamMs: number | undefined
  /** When the first byte of a blob went out, counted from the request. */
  firstByteMs: number | undefined
  readonly #began = performance.now()
  #controller: AbortController | undefined

  constructor(req: IncomingMessage, res: ServerResponse, origin: { requestId: string; clientAddress: string; startedAt: number }) {
    this.req = req
    this.res = res
    this.requestId = origin.requestId
    this.clientAddress = origin.clientAddress
    this.startedAt = origin.startedAt
    const { path, query } = targetOf(req.url ?? '/')
    this.path = path
    this.query = query
  }

  /** Aborts when the client leaves before its answer is out, and when the server can't wait any longer. Made on first use. */
  get signal(): AbortSignal {
    this.#controller ??= new AbortController()
    return this.#controller.signal
  }

  get isHead(): boolean {
    return this.req.method === 'HEAD'
  }

  /** Noted for observers: what of content is asked for, under the name by which content knows it. A blob's reference is its digest. */
  asksFor(repository: RepositoryName, reference: Reference): void {
    this.repository = repository
    this.reference = reference
  }

  /** Noted for observers: what was found of it. */
  found(descriptor: Descriptor, provenance: Provenance): void {
    this.descriptor = descriptor
    this.provenance = provenance
    if (provenance.verdict !== 'hit') this.upstreamMs = this.elapsedMs
  }

  /** Noted for observers: what was pushed or mounted. */
  kept(repository: RepositoryName, reference: Reference, descriptor: Descriptor): void {
    this.asksFor(repository, reference)
    this.descriptor = descriptor
  }

  /** Since the request. */
  get elapsedMs(): number {
    return performance.now() - this.#began
  }

  abort(reason: Error): void {
    this.#controller ??= new AbortController()
    this.#controller.abort(reason)
  }
}

export type Handler = (exchange: Exchange, captures: readonly string[]) => void | Promise<void>

/** The path as it came, still percent-encoded, and the query without its question mark. */
export function targetOf(url: string): { readonly path: string; readonly query: string } {
  const target = originForm(url)
  const mark = target.indexOf('?')
  return mark < 0 ? { path: target, query: '' } : { path: target.slice(0, mark), query: target.slice(mark + 1) }
}

/** RFC 9112, section 3.2.2: a server must accept `http://host/path` in place of `/path`. */
function originForm(target: string): string {
  if (target.charCodeAt(0) === 0x2f) return target
  const match = /^[a-z][a-z0-9+.-]*:\/\/[^/?#]*(.*)$/is.exec(target)
  const rest = match?.[1] ?? target
  return rest.startsWith('/') ? rest : `/${rest}`
}

/** `headers` are name, value, name, value and must hold Content-Length where `body` is given, also for HEAD. */
export function answer(exchange: Exchange, status: number, headers: readonly string[], body: Uint8Array | undefined): void {
  const { res } = exchange
  if (isUnread(exchange)) {
    answerUnread(exchange, status, headers, body)
    return
  }
  res.writeHead(status, exchange.commonHeaders.concat(headers))
  if (body === undefined || exchange.isHead) {
    res.end()
    return
  }
  exchange.bodyBytes += body.length
  res.end(body)
}

/** All bytes go out at once, but the answer ends when the request's body is out of the way. */
function answerUnread(exchange: Exchange, status: number, headers: readonly string[], body: Uint8Array | undefined): void {
  const { req, res } = exchange
  res.writeHead(status, exchange.commonHeaders.concat(headers, isWaiting(req) ? ['Connection', 'close'] : []))
  if (body === undefined || exchange.isHead) res.flushHeaders()
  else {
    exchange.bodyBytes += body.length
    res.write(body)
  }
  void endAfterBody(exchange)
}

export function answerJson(exchange: Exchange, status: number, headers: readonly string[], value: unknown): void {
  // With a newline at the end, as distribution's encoder writes it.
  answerText(exchange, status, headers, Buffer.from(`${JSON.stringify(value)}\n`))
}

/** `{…,"<field>":[…]}`: the fields of `before`, then the names as they are remembered. */
export function answerNames(exchange: Exchange, headers: readonly string[], before: object, field: string, names: readonly string[]): void {
  const begin = JSON.stringify({ ...before, [field]: [] }).slice(0, -3)
  answerText(exchange, 200, headers, Buffer.concat([Buffer.from(begin), encodedNames(names), Buffer.from('}\n')]))
}

function answerText(exchange: Exchange, status: number, headers: readonly string[], body: Buffer): void {
  answer(exchange, status, ['Content-Type', 'application/json', 'Content-Length', String(body.length), ...headers], body)
}

/** `X-Cache`, and for a stale answer how old it is and why (RFC 9111, section 5.1; Warning is RFC 7234, section 5.5). */
export function pushProvenance(headers: string[], provenance: Provenance, exchange?: Exchange): void {
  headers.push('X-Cache', provenance.verdict)
  // Server-Timing (W3C): how much of the wait was for upstream.
  if (exchange?.upstreamMs !== undefined) headers.push('Server-Timing', `upstream;dur=${exchange.upstreamMs.toFixed(1)}`)
  if (provenance.verdict !== 'stale') return
  if (provenance.ageSeconds !== undefined) headers.push('Age', String(Math.max(0, Math.floor(provenance.ageSeconds))))
  headers.push('Warning', `111 entrepot ${quotedString(provenance.cause ?? 'revalidation failed')}`)
}

/** RFC 9110, section 5.6.4. What is not plain ASCII becomes a question mark: a header is no place for a second encoding. */
function quotedString(text: string): string {
  return `"${text.replace(/[^\x20-\x7e]/g, '?').replace(/["\\]/g, '\\$&')}"`
}
