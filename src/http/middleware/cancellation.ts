// Each request's life: it begins here, and when its client leaves, its signal aborts. The server knows all that live, so it can
// wait for them or end them. One controller per request, never AbortSignal.any over a signal as old as the process.
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { BlockList, Socket } from 'node:net'
import type { Middleware } from 'koa'
import type { Clock } from '../../lib/clock.ts'
import type { Log } from '../../telemetry/log.ts'
import { clientAddressOf } from '../client-address.ts'
import { Exchange } from '../exchange.ts'
import { fieldsOf } from '../request-log.ts'
import { type RequestHooks, tellEnded } from '../request-hooks.ts'
import { requestIdOf } from './request-id.ts'

/** More requests than this waiting behind one answer on one connection is an attack, not a client. */
const maxQueuedPerConnection = 128

export class LiveRequests {
  readonly #live = new Set<Exchange>()
  /** Called after each request that ended. */
  onEnded: (() => void) | undefined

  get size(): number {
    return this.#live.size
  }

  [Symbol.iterator](): Iterator<Exchange> {
    return this.#live.values()
  }

  add(exchange: Exchange): void {
    this.#live.add(exchange)
  }

  remove(exchange: Exchange): void {
    this.#live.delete(exchange)
    this.onEnded?.()
  }

  sockets(): Set<Socket> {
    return new Set([...this.#live].map((exchange) => exchange.req.socket))
  }

  abortAll(reason: Error): void {
    for (const exchange of this.#live) exchange.abort(reason)
  }
}

export interface LivesOptions {
  readonly requests: LiveRequests
  readonly hooks: RequestHooks
  readonly trustedProxies: BlockList
  readonly clock: Clock
  readonly log: Log
}

export interface RequestLives {
  /** The exchange of a request; the same one for whoever asks second. */
  begin(req: IncomingMessage, res: ServerResponse): Exchange
  /** Live from here on, until its answer is out or its client gone; then observers are told. */
  follow(exchange: Exchange): void
}

export function createLives({ requests, hooks, trustedProxies, clock, log }: LivesOptions): RequestLives {
  /** Of those that the hot path has left to the ordinary one. Without access control there are none. */
  const begun = hooks.mayReadManifest === undefined ? undefined : new WeakMap<IncomingMessage, Exchange>()
  return {
    begin(req, res) {
      const known = begun?.get(req)
      if (known !== undefined) return known
      const origin = { requestId: requestIdOf(req), clientAddress: clientAddressOf(req, trustedProxies), startedAt: clock.now() }
      const exchange = new Exchange(req, res, origin)
      begun?.set(req, exchange)
      return exchange
    },
    follow(exchange) {
      const { res } = exchange
      requests.add(exchange)
      res.on('close', () => {
        requests.remove(exchange)
        tellEnded(hooks, exchange)
        if (res.writableFinished) return
        log.debug({ ...fieldsOf(exchange), sent: exchange.bodyBytes }, 'the client left before its answer was out')
        exchange.abort(new Error('the client left'))
      })
    },
  }
}

export function createCancellation(lives: RequestLives): Middleware<Exchange> {
  const queue = new ConnectionQueue()
  return (ctx, next) => {
    if (ctx.res.socket === null) return queue.turnOf(ctx.req, ctx.res).then(() => begin(ctx, next))
    return begin(ctx, next)
  }

  function begin(ctx: { req: IncomingMessage; res: ServerResponse; state: Exchange }, next: () => Promise<unknown>): Promise<unknown> {
    const exchange = lives.begin(ctx.req, ctx.res)
    ctx.state = exchange
    lives.follow(exchange)
    return next()
  }
}

/**
 * Pipelined requests wait for their turn: Node gives a response its socket when the ones before it are out, and tells nothing
 * at all when the connection ends before that. So none is begun early, and nobody asks upstream for a client that has left.
 */
class ConnectionQueue {
  readonly #waiting = new WeakMap<Socket, number>()

  turnOf(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const { socket } = req
    const waiting = (this.#waiting.get(socket) ?? 0) + 1
    this.#waiting.set(socket, waiting)
    if (waiting > maxQueuedPerConnection) socket.destroy()
    return new Promise((resolve) => {
      res.once('socket', () => {
        this.#waiting.set(socket, (this.#waiting.get(socket) ?? 1) - 1)
        resolve()
      })
    })
  }
}
