// Faults on demand: rules that say which request goes wrong, and how. They are declared by `hub.script([...])`.
import { digestOf } from '../images.ts'
import { type Answer, answerOf, type Body, bodyOf, bytesOf, errorAnswer, sliceOf } from './answer.ts'
import type { Exchange } from './exchange.ts'
import { type Filter, fits, type LedgerEntry } from './ledger.ts'

/** What goes wrong. Fields combine: `{ status: 429, retryAfterSeconds: 30 }`, `{ ignoreRange: true, cutAfterBytes: 10 }`. */
export interface Fault {
  // Before anything is answered
  /** Wait with the answer, headers included, until this settles. For tests that need many askers before the first answer. */
  readonly holdUntil?: Promise<unknown>
  /** Close the connection (FIN) instead of answering. */
  readonly refuse?: boolean
  /** Send nothing, ever; the connection stays open. */
  readonly hang?: boolean
  /** Send exactly these bytes on the connection instead of an HTTP answer by Node, then close it. See `abuse429LineFeeds`. */
  readonly rawBytes?: string | Uint8Array

  // Another answer
  /** This status instead; without `body`: HTML for 5xx, the registry's JSON error else. The quota is not charged. */
  readonly status?: number
  /** Body of the answer, with `status` or alone. */
  readonly body?: string | Uint8Array
  /** Headers to add or replace (names as you write them; `undefined` takes one away). */
  readonly headers?: Readonly<Record<string, string | undefined>>
  /** A `Retry-After` header. */
  readonly retryAfterSeconds?: number
  /** 200 with a login page: the captive portal. */
  readonly html200?: boolean
  /** 401 with the registry's real challenge, whatever token came; a string is put in as its `error`. */
  readonly challenge?: true | 'invalid_token' | 'insufficient_scope'

  // The right answer, spoilt
  /** Serve a Range request as if it had no Range: 200 and the whole. */
  readonly ignoreRange?: boolean
  /** In a 206, a Content-Range that is one byte off. */
  readonly wrongContentRange?: boolean
  /** The right length with one wrong byte: in the middle, or at this offset of the answer (negative: from its end). */
  readonly wrongBytes?: true | number
  /** Only so many bytes of the body, with the Content-Length to match. */
  readonly truncateTo?: number
  /** So many bytes too many at the end, with the Content-Length to match. */
  readonly extraBytes?: number
  /** More than 4 MiB: a manifest blown up by spaces, its Docker-Content-Digest and ETag made to match. */
  readonly tooLarge?: boolean
  /** A Docker-Content-Digest (and ETag) of something else. */
  readonly wrongDigestHeader?: boolean
  readonly noDigestHeader?: boolean
  readonly noContentType?: boolean
  /** No Content-Length: chunked in HTTP/1.1. */
  readonly noContentLength?: boolean

  // The right answer, badly delivered
  /** End the connection with FIN after so many body bytes (0: right after the headers). */
  readonly cutAfterBytes?: number
  /** The same with RST. */
  readonly resetAfterBytes?: number
  /** Send no more after so many body bytes; the connection stays open. With `until`, go on once that settles. */
  readonly stallAfterBytes?: number
  readonly until?: Promise<unknown>
  /** Rate of this answer. A slow drip is a small number: 1 is a byte a second. */
  readonly bytesPerSecond?: number
  /** Close the connection after the answer without having said so: the client's next request on it meets a stale socket. */
  readonly closeKeepAlive?: boolean
  /** Close it after the answer, announced by `Connection: close`. */
  readonly connectionClose?: boolean
}

/** A fault and the requests it happens to. */
export interface Rule extends Fault {
  readonly on: Filter
  /** How many of the matching requests; 1 unless told, Infinity for all. */
  readonly times?: number
  /** Leave so many matching requests alone first; 0 unless told. */
  readonly after?: number
}

interface LiveRule {
  readonly rule: Rule
  skip: number
  left: number
}

/** The rules in force. The first one that fits and is not used up has its way; each request meets one rule at most. */
export class Faults {
  #rules: LiveRule[] = []

  add(rules: readonly Rule[]): void {
    this.#rules.push(...rules.map((rule) => ({ rule, skip: rule.after ?? 0, left: rule.times ?? 1 })))
  }

  clear(): void {
    this.#rules = []
  }

  /** Rules with a finite number of times that have not happened as often as they were to. */
  unused(): Rule[] {
    return this.#rules.filter(({ rule, left }) => left > 0 && Number.isFinite(rule.times ?? 1)).map(({ rule }) => rule)
  }

  /** The fault for this request, used up by one. */
  take(entry: LedgerEntry): Fault {
    for (const live of this.#rules) {
      if (live.left <= 0 || !fits(entry, live.rule.on)) continue
      if (live.skip > 0) {
        live.skip -= 1
        continue
      }
      live.left -= 1
      const { on: _on, times: _times, after: _after, ...fault } = live.rule
      entry.fault = Object.keys(fault)
      return fault
    }
    return {}
  }
}

const codes: Readonly<Record<number, string>> = { 401: 'UNAUTHORIZED', 403: 'DENIED', 404: 'MANIFEST_UNKNOWN', 429: 'TOOMANYREQUESTS' }

/** The answer that a fault gives instead of the Hub's; `undefined` if it lets the Hub answer. */
export function insteadOf(fault: Fault): Answer | undefined {
  if (fault.html200 === true)
    return answerOf(200, { 'Content-Type': 'text/html' }, '<html><body><h1>Please log in to the Wi-Fi</h1></body></html>')
  if (fault.status === undefined) return undefined
  if (fault.status < 500)
    return errorAnswer(fault.status, codes[fault.status] ?? 'UNKNOWN', `the stand-in Hub was told to answer ${fault.status}`)
  return answerOf(
    fault.status,
    { 'Content-Type': 'text/html' },
    `<html><head><title>${fault.status}</title></head><body><h1>${fault.status}</h1></body></html>`,
  )
}

function flipped(body: Body, where: true | number): Body {
  const middle = Math.floor(body.size / 2)
  const offset = where === true ? middle : where < 0 ? body.size + where : where
  return {
    size: body.size,
    async *read(start, end) {
      let at = start
      for await (const chunk of body.read(start, end)) {
        const index = offset - at
        at += chunk.length
        if (index < 0 || index >= chunk.length) {
          yield chunk
          continue
        }
        const copy = Buffer.from(chunk)
        copy[index] = (copy[index] ?? 0) ^ 0xff
        yield copy
      }
    },
  }
}

function lengthened(body: Body, extra: number): Body {
  return {
    size: body.size + extra,
    async *read(start, end) {
      if (start < body.size) yield* body.read(start, Math.min(end, body.size))
      if (end > body.size) yield Buffer.alloc(end - Math.max(start, body.size), 'x')
    },
  }
}

async function spoiltBody(body: Body, fault: Fault): Promise<Body> {
  let spoilt = fault.body === undefined ? body : bodyOf(fault.body)
  if (fault.tooLarge === true) spoilt = bodyOf(Buffer.concat([await bytesOf(spoilt), Buffer.alloc(4 * 1024 * 1024 + 1, ' ')]))
  if (fault.wrongBytes !== undefined) spoilt = flipped(spoilt, fault.wrongBytes)
  if (fault.extraBytes !== undefined) spoilt = lengthened(spoilt, fault.extraBytes)
  if (fault.truncateTo !== undefined) spoilt = sliceOf(spoilt, 0, Math.min(fault.truncateTo, spoilt.size))
  return spoilt
}

type Edits = Record<string, string | undefined>

async function headerEdits(answer: Answer, body: Body, fault: Fault): Promise<Edits> {
  const edits: Edits = {}
  const pinned = (digest: string) => Object.assign(edits, { 'Docker-Content-Digest': digest, ETag: `"${digest}"` })
  if (fault.tooLarge === true) pinned(digestOf(await bytesOf(body)))
  if (fault.wrongDigestHeader === true) pinned(digestOf(Buffer.from('something else')))
  if (fault.noDigestHeader === true) edits['Docker-Content-Digest'] = undefined
  if (fault.noContentType === true) edits['Content-Type'] = undefined
  if (fault.retryAfterSeconds !== undefined) edits['Retry-After'] = String(fault.retryAfterSeconds)
  const range = /^bytes (\d+)-(\d+)\/(.*)$/.exec(answer.headers['Content-Range'] ?? '')
  if (fault.wrongContentRange === true && range !== null) {
    edits['Content-Range'] = `bytes ${Number(range[1]) + 1}-${Number(range[2]) + 1}/${range[3]}`
  }
  return { ...edits, ...fault.headers }
}

function edited(headers: Readonly<Record<string, string>>, edits: Edits): Record<string, string> {
  const gone = new Set(Object.keys(edits).map((name) => name.toLowerCase()))
  const kept = Object.entries(headers).filter(([name]) => !gone.has(name.toLowerCase()))
  const added = Object.entries(edits).filter((pair): pair is [string, string] => pair[1] !== undefined)
  return Object.fromEntries([...kept, ...added])
}

/** The answer as the fault leaves it. */
export async function spoilt(answer: Answer, fault: Fault): Promise<Answer> {
  const body = await spoiltBody(answer.body, fault)
  const headers = edited(answer.headers, await headerEdits(answer, body, fault))
  return { ...answer, headers, body, ...(fault.noContentLength === true ? { isChunked: true } : {}) }
}

/** The request as the fault lets the handlers see it. */
export function seenThrough(fault: Fault, exchange: Exchange): Exchange {
  return fault.ignoreRange === true ? { ...exchange, range: undefined } : exchange
}

/** The 429 of Docker Hub's abuse limit, as HTTP. */
export const abuse429: Fault = {
  status: 429,
  headers: { 'Content-Type': 'text/plain', 'Cache-Control': 'no-cache', 'Docker-Distribution-Api-Version': undefined },
  retryAfterSeconds: 60,
  body: 'Too Many Requests (HAP429).\n',
  connectionClose: true,
}

/** The same as it has been seen on the wire: lines end in LF alone, which Node's parser refuses. */
export const abuse429LineFeeds: Fault = {
  rawBytes:
    'HTTP/1.1 429 Too Many Requests\nCache-Control: no-cache\nConnection: close\nContent-Type: text/plain\nRetry-After: 60\n\nToo Many Requests (HAP429).\n',
}

/** The token server's own 429 for bursts. */
export const tokenBurst429: Fault = {
  status: 429,
  headers: { 'Content-Type': 'application/json', 'Docker-Distribution-Api-Version': undefined },
  body: '{"detail":"Rate limit exceeded","error":false}',
}
