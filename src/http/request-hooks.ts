// What is done about every request, whichever path answers it. The ordinary path (Koa) and the hot one (answers from memory) go
// through this one list, so that no answer is forgotten by access control, health, metrics, usage or the access log.
import type { Exchange } from './exchange.ts'

/** Told of each request when its answer is out, or its client gone. Must not throw; what it costs, each hit costs. */
export type RequestObserver = (exchange: Exchange) => void

/**
 * Whether the client may have what a route with these captures stands for; `false`: no, and it has been told so. Synchronous where
 * nothing has to be waited for.
 */
export type MayAnswer = (exchange: Exchange, captures: readonly string[]) => boolean | Promise<boolean>

export interface RequestHooks {
  /** `false`: all requests are refused, by the ordinary path. */
  readonly isOpen: () => boolean
  /** Of manifests; `undefined`: everybody may have everything. */
  readonly mayReadManifest: MayAnswer | undefined
  readonly observers: readonly RequestObserver[]
}

export function tellEnded({ observers }: RequestHooks, exchange: Exchange): void {
  for (const observe of observers) observe(exchange)
}

/**
 * Whether the client may, and that is known at once. The decision stays with the exchange, so that the ordinary path, to which every
 * other request is left, has it, or waits for it, and does not ask again.
 */
export function isAllowedNow(may: MayAnswer, exchange: Exchange, captures: readonly string[]): boolean {
  try {
    exchange.isAllowed = may(exchange, captures)
  } catch (error) {
    exchange.isAllowed = Promise.reject(error)
  }
  // Whoever waits for it hears of a failure; until then it is no unhandled one.
  if (exchange.isAllowed instanceof Promise) exchange.isAllowed.catch(() => undefined)
  return exchange.isAllowed === true
}
