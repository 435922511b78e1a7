// What each request waited for, part by part, for its trace: actions of the store, leases, exchanges with upstream, Redis. Made only
// where spans are wanted, as it follows each request through everything that it awaits.
import { AsyncLocalStorage } from 'node:async_hooks'
import type { Facts } from './facts.ts'

export interface RequestPart {
  /** `store GetContent`, `lease`, `upstream GET`, `redis EVALSHA`. */
  readonly name: string
  /** Milliseconds since 1970. */
  readonly startedAt: number
  readonly endedAt: number
  readonly attributes: Readonly<Record<string, string | number>>
}

/** Of one request; the rest of an endless one is left out. */
const mostParts = 100

export class RequestParts {
  readonly #running = new AsyncLocalStorage<RequestPart[]>()
  readonly #known = new WeakMap<object, RequestPart[]>()

  /** `handle` for requests whose parts are known from then on. */
  around<Request extends object, Response, Result>(
    handle: (req: Request, res: Response) => Result,
  ): (req: Request, res: Response) => Result {
    return (req, res) => {
      const parts: RequestPart[] = []
      this.#known.set(req, parts)
      return this.#running.run(parts, handle, req, res)
    }
  }

  of(req: object): readonly RequestPart[] {
    return this.#known.get(req) ?? []
  }

  /** Something that was waited for is over now. Where no request waited for it, nothing is noted. */
  note(name: string, seconds: number, attributes: RequestPart['attributes'] = {}): void {
    const parts = this.#running.getStore()
    if (parts === undefined || parts.length >= mostParts) return
    const endedAt = performance.timeOrigin + performance.now()
    parts.push({ name, startedAt: endedAt - seconds * 1000, endedAt, attributes })
  }

  /** Facts that are told to `facts` and noted as well. */
  noting(facts: Facts): Facts {
    return {
      ...facts,
      acted: (driver, action, seconds) => {
        facts.acted(driver, action, seconds)
        this.note(`store ${action}`, seconds, { 'entrepot.driver': driver })
      },
      redis: (operation, seconds) => {
        facts.redis(operation, seconds)
        this.note(`redis ${operation}`, seconds)
      },
      upstream: (name) => {
        const upstream = facts.upstream(name)
        return {
          ...upstream,
          exchanged: (host, method, outcome, seconds) => {
            upstream.exchanged(host, method, outcome, seconds)
            this.note(`upstream ${method}`, seconds, { 'server.address': host, 'entrepot.outcome': outcome })
          },
        }
      },
    }
  }
}
