// What is done about every request, whichever path answers it. The ordinary path (Koa) and the hot one (answers from memory) go
// through this one list, so that no answer is forgotten by metrics, usage or the access log.
import type { Exchange } from './exchange.ts'

/** Told of each request when its answer is out, or its client gone. Must not throw; what it costs, each hit costs. */
export type RequestObserver = (exchange: Exchange) => void

export interface RequestHooks {
  readonly observers: readonly RequestObserver[]
}

export function tellEnded({ observers }: RequestHooks, exchange: Exchange): void {
  for (const observe of observers) observe(exchange)
}
