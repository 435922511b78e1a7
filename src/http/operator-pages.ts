// The dashboard and the API behind it on the registry's own address: for those who may operate the server, and for nobody else.
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Middleware } from 'koa'
import type { Wanted } from '../auth/access.ts'
import type { Exchange } from './exchange.ts'
import type { Authorize } from './middleware/authenticate.ts'
import { pathInside } from './request-names.ts'

export interface OperatorPages {
  /** Whether a path is theirs: inside the prefix, without the query. */
  has(path: string): boolean
  /** Never rejects. */
  handle(req: IncomingMessage, res: ServerResponse, path: string): void | Promise<void>
}

const operation: readonly Wanted[] = [{ kind: 'operation' }]

export function createOperatorPages(pages: OperatorPages, authorize: Authorize, prefix: string): Middleware<Exchange> {
  return async (ctx, next) => {
    const exchange = ctx.state
    const path = pathInside(exchange.path, prefix)
    if (path === undefined || !pages.has(path)) return next()
    ctx.respond = false
    if (await authorize(exchange, operation)) await pages.handle(exchange.req, exchange.res, path)
  }
}
