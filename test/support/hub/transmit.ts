// Sends an answer on its connection, at a rate, up to where a fault ends it, and keeps the ledger true meanwhile.
import { setTimeout as sleep } from 'node:timers/promises'
import type { Answer } from './answer.ts'
import type { Exchange } from './exchange.ts'
import type { Fault } from './faults.ts'
import type { Ledger, LedgerEntry } from './ledger.ts'

/** A line of limited rate: whoever wants to send waits for its turn. */
export class Pacer {
  #freeAt = 0

  /** Resolves when `bytes` may go out at `bytesPerSecond`. */
  async turn(bytes: number, bytesPerSecond: number): Promise<void> {
    const now = performance.now()
    // A late timer may be caught up on for 50 ms, so that the rate is met on average.
    this.#freeAt = Math.max(this.#freeAt, now - 50) + (bytes / bytesPerSecond) * 1000
    const waitMs = this.#freeAt - now
    if (waitMs > 2) await sleep(waitMs, undefined, { ref: false })
  }
}

/** The line that all answers of one Hub share. */
export interface Line {
  readonly pacer: Pacer
  readonly bytesPerSecond: () => number | undefined
}

/** A response whose writes end when its connection does. */
class Outlet {
  isClosed = false
  /** Whether the answer went out to its end. */
  isWhole = false
  readonly #exchange: Exchange
  #wake: (() => void) | undefined
  readonly closed: Promise<void>

  constructor(exchange: Exchange) {
    this.#exchange = exchange
    const { response } = exchange
    response.on('error', () => {}) // a client that left; 'close' follows and says so
    this.closed = new Promise((resolve) => {
      const end = () => {
        this.isClosed = true
        this.#wake?.()
        resolve()
      }
      response.once('close', end)
      if (response.destroyed) end()
    })
  }

  async write(chunk: Buffer): Promise<void> {
    if (this.isClosed) return
    await new Promise<void>((resolve) => {
      this.#wake = resolve
      this.#exchange.response.write(chunk, () => resolve())
    })
  }

  async end(): Promise<void> {
    if (this.isClosed) return
    await new Promise<void>((resolve) => {
      this.#wake = resolve
      this.#exchange.response.end(() => {
        this.isWhole = true
        resolve()
      })
    })
  }
}

/** Bytes after which the sending stops, and why. */
function stopOf(fault: Fault): { after: number; how: 'cut' | 'reset' | 'stall' | undefined } {
  if (fault.cutAfterBytes !== undefined) return { after: fault.cutAfterBytes, how: 'cut' }
  if (fault.resetAfterBytes !== undefined) return { after: fault.resetAfterBytes, how: 'reset' }
  if (fault.stallAfterBytes !== undefined) return { after: fault.stallAfterBytes, how: 'stall' }
  return { after: Number.POSITIVE_INFINITY, how: undefined }
}

export class Transmission {
  readonly #exchange: Exchange
  readonly #ledger: Ledger
  readonly #line: Line
  readonly #fault: Fault
  readonly #outlet: Outlet
  readonly #own = new Pacer()

  constructor(exchange: Exchange, ledger: Ledger, line: Line, fault: Fault) {
    this.#exchange = exchange
    this.#ledger = ledger
    this.#line = line
    this.#fault = fault
    this.#outlet = new Outlet(exchange)
    void this.#outlet.closed.then(() => ledger.close(exchange.entry, this.#outlet.isWhole ? undefined : 'client'))
  }

  get #entry(): LedgerEntry {
    return this.#exchange.entry
  }

  /** Carries out a fault that lets no answer begin; false if there is none. */
  async beginsBadly(): Promise<boolean> {
    const { refuse, hang, rawBytes } = this.#fault
    const { socket, request } = this.#exchange
    if (refuse === true) {
      this.#ledger.close(this.#entry, 'refuse')
      socket.destroySoon()
    } else if (hang === true) {
      await this.#outlet.closed
      this.#ledger.close(this.#entry, 'hang')
    } else if (rawBytes !== undefined) {
      this.#entry.bytesSent += Buffer.byteLength(rawBytes)
      this.#ledger.close(this.#entry, 'raw')
      request.socket.end(rawBytes)
    } else {
      return false
    }
    return true
  }

  async send(answer: Answer): Promise<void> {
    const { response, method, socket } = this.#exchange
    if (this.#outlet.isClosed) return
    const isHttp1 = this.#exchange.request.httpVersionMajor === 1
    const length = answer.isChunked === true ? {} : { 'Content-Length': String(answer.body.size) }
    const close = this.#fault.connectionClose === true && isHttp1 ? { Connection: 'close' } : {}
    this.#entry.status = answer.status
    response.writeHead(answer.status, { ...answer.headers, ...length, ...close })
    this.#ledger.changed()
    if (method !== 'HEAD' && answer.status !== 304 && (await this.#sendBody(answer))) return
    await this.#outlet.end()
    if (!this.#outlet.isWhole) return
    this.#ledger.close(this.#entry)
    if (this.#fault.closeKeepAlive === true) socket.destroySoon()
  }

  /** Sends the body; true if a fault or the client ended it early. */
  async #sendBody(answer: Answer): Promise<boolean> {
    const { after, how } = stopOf(this.#fault)
    const until = Math.min(answer.body.size, after)
    if (until === 0) this.#exchange.response.flushHeaders()
    await this.#sendBytes(answer, 0, until)
    if (how === undefined || this.#outlet.isClosed) return this.#outlet.isClosed
    if (how === 'stall' && (await this.#stalled())) {
      await this.#sendBytes(answer, until, answer.body.size)
      return this.#outlet.isClosed
    }
    this.#ledger.close(this.#entry, how)
    if (how === 'cut') this.#exchange.socket.destroySoon()
    if (how === 'reset') this.#exchange.socket.resetAndDestroy()
    return true
  }

  /** Waits out a stall; true if sending may go on. */
  async #stalled(): Promise<boolean> {
    const { until } = this.#fault
    await (until === undefined ? this.#outlet.closed : Promise.race([until, this.#outlet.closed]))
    return !this.#outlet.isClosed
  }

  async #sendBytes(answer: Answer, start: number, end: number): Promise<void> {
    const own = this.#fault.bytesPerSecond
    if (start >= end) return
    for await (const whole of answer.body.read(start, end)) {
      const step = own === undefined ? whole.length : Math.max(1, Math.floor(own / 20))
      for (let at = 0; at < whole.length; at += step) {
        const chunk = whole.subarray(at, at + step)
        if (own !== undefined) await this.#own.turn(chunk.length, own)
        const shared = this.#line.bytesPerSecond()
        if (shared !== undefined) await this.#line.pacer.turn(chunk.length, shared)
        if (this.#outlet.isClosed) return
        // Counted before it goes, so that a client never holds more than the ledger says.
        this.#entry.bytesSent += chunk.length
        await this.#outlet.write(chunk)
        this.#ledger.changed()
      }
    }
  }
}
