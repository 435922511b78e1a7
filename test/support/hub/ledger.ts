// What the stand-in Hub was asked and what it sent: one entry per request, kept up to date while the answer goes out.
import type { IncomingHttpHeaders } from 'node:http'
import type { Part } from './parts.ts'

/**
 * What a request is about. `blob` is a blob asked of the registry (usually answered by a redirect), `cdn` the bytes behind the
 * redirect, `connect` a CONNECT at the forward proxy.
 */
export type Kind = 'ping' | 'manifest' | 'blob' | 'tags' | 'referrers' | 'catalog' | 'search' | 'token' | 'cdn' | 'connect' | 'other'

export interface LedgerEntry {
  /** 1 for the first request since the Hub started; clearing the ledger does not start over. */
  readonly order: number
  /** `performance.now()` of the arrival, in milliseconds. */
  readonly startedAt: number
  /** The same of the end, as long as there is one. */
  endedAt?: number
  readonly at: Part | 'proxy'
  readonly kind: Kind
  readonly method: string
  /** Path and query as sent; for `connect` the target `host:port`. */
  readonly url: string
  /** Names in lower case. */
  readonly headers: IncomingHttpHeaders
  /** Repository, without a decision on whether it exists. */
  readonly repository?: string
  /** Of a manifest request: tag or digest as asked. */
  readonly reference?: string
  /** Of blobs, CDN requests, referrers and manifests by digest. */
  readonly digest?: string
  /** Of token requests: the scopes asked for, in order. */
  readonly scopes?: readonly string[]
  /** The account by which the request was authenticated; absent for anonymous ones. */
  account?: string
  /** Number of the TCP connection, and this request's place on it (1 = first). */
  readonly connection: number
  readonly turn: number
  /** HTTP status; 0 while, or because, none was sent. */
  status: number
  /** Body bytes handed to the network so far. */
  bytesSent: number
  /** Whether the quota was charged. */
  counted: boolean
  /** Whether the request is over, however it ended. */
  done: boolean
  /** How it ended early: by which fault, or because the client left. Absent for a whole answer. */
  cut?: 'client' | 'cut' | 'reset' | 'refuse' | 'hang' | 'stall' | 'raw'
  /** The names of the fault's fields, where one was applied. */
  fault?: readonly string[]
}

/** Which requests are meant. Every field given must fit; a field that lists several values fits if one of them does. */
export interface Filter {
  readonly at?: Part | 'proxy' | readonly (Part | 'proxy')[]
  readonly kind?: Kind | readonly Kind[]
  readonly method?: string | readonly string[]
  readonly repository?: string
  readonly reference?: string
  readonly digest?: string
  /** Status sent; of no use in a fault's `on`, which is asked before there is one. */
  readonly status?: number | readonly number[]
  readonly account?: string
  /** With (true) or without (false) a `Range` header. */
  readonly range?: boolean
  /** A request on a connection that carried one before (true), or the first of its connection (false). */
  readonly reused?: boolean
  readonly done?: boolean
  /** At least so many body bytes sent. */
  readonly minBytes?: number
  /** Whatever else. */
  readonly where?: (entry: LedgerEntry) => boolean
}

function isOneOf(value: unknown, wanted: unknown): boolean {
  if (wanted === undefined) return true
  return Array.isArray(wanted) ? wanted.includes(value) : wanted === value
}

/** Whether an entry is one of those meant. */
export function fits(entry: LedgerEntry, filter: Filter): boolean {
  const { minBytes = 0, range, reused, where, ...plain } = filter
  for (const [name, wanted] of Object.entries(plain)) {
    if (!isOneOf(entry[name as keyof LedgerEntry], wanted)) return false
  }
  if (range !== undefined && range !== (entry.headers.range !== undefined)) return false
  if (reused !== undefined && reused !== entry.turn > 1) return false
  return entry.bytesSent >= minBytes && (where === undefined || where(entry))
}

interface Waiter {
  readonly isOver: () => boolean
  readonly resolve: () => void
}

/** The ledger with its questions. */
export class Ledger {
  readonly entries: LedgerEntry[] = []
  #order = 0
  readonly #waiters = new Set<Waiter>()

  open(facts: Omit<LedgerEntry, 'order' | 'startedAt' | 'status' | 'bytesSent' | 'counted' | 'done'>): LedgerEntry {
    this.#order += 1
    const start = { order: this.#order, startedAt: performance.now(), status: 0, bytesSent: 0, counted: false, done: false }
    const entry: LedgerEntry = { ...facts, ...start }
    this.entries.push(entry)
    this.changed()
    return entry
  }

  /** Ends an entry; only the first end counts. */
  close(entry: LedgerEntry, cut?: LedgerEntry['cut']): void {
    if (entry.done) return
    entry.done = true
    entry.endedAt = performance.now()
    if (cut !== undefined) entry.cut = cut
    this.changed()
  }

  /** To be called after each change of an entry: wakes who waits for it. */
  changed(): void {
    for (const waiter of this.#waiters) {
      if (waiter.isOver()) {
        this.#waiters.delete(waiter)
        waiter.resolve()
      }
    }
  }

  find(filter: Filter): LedgerEntry[] {
    return this.entries.filter((entry) => fits(entry, filter))
  }

  bytesSent(filter: Filter): number {
    return this.find(filter).reduce((total, entry) => total + entry.bytesSent, 0)
  }

  /** The largest number of matching requests that were open at one time. */
  maxConcurrent(filter: Filter): number {
    const steps = this.find(filter).flatMap((entry) => [
      { at: entry.startedAt, by: 1 },
      { at: entry.endedAt ?? Number.POSITIVE_INFINITY, by: -1 },
    ])
    steps.sort((a, b) => a.at - b.at || a.by - b.by)
    let open = 0
    let most = 0
    for (const step of steps) {
      open += step.by
      most = Math.max(most, open)
    }
    return most
  }

  clear(): void {
    this.entries.length = 0
  }

  /** Resolves as soon as `count` entries fit; rejects after `timeoutMs` with a list of what there was instead. */
  async seen(filter: Filter, count: number, timeoutMs: number): Promise<LedgerEntry[]> {
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiters.delete(waiter)
        reject(new Error(`waited ${timeoutMs} ms for ${count} of ${describe(filter)}; the ledger has\n${this.describe()}`))
      }, timeoutMs)
      const waiter: Waiter = {
        isOver: () => this.find(filter).length >= count,
        resolve: () => {
          clearTimeout(timer)
          resolve()
        },
      }
      this.#waiters.add(waiter)
      this.changed()
    })
    return this.find(filter)
  }

  /** The ledger as text, one request a line, for messages of failed assertions. */
  describe(): string {
    return this.entries
      .map((entry) => {
        const fault = entry.fault === undefined ? '' : ` fault=${entry.fault.join('+')}`
        return `${entry.order} ${entry.at} ${entry.method} ${entry.url.slice(0, 140)} → ${entry.status} ${entry.bytesSent} B${entry.cut === undefined ? '' : ` cut=${entry.cut}`}${fault}`
      })
      .join('\n')
  }
}

function describe(filter: Filter): string {
  return JSON.stringify(filter, (_, value: unknown) => (typeof value === 'function' ? 'function' : value))
}
