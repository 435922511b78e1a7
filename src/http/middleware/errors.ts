// Whatever is thrown below becomes one error answer and at most one line in the log.
import type { Middleware } from 'koa'
import { UpstreamFailure } from '../../content.ts'
import { isRegistryError } from '../../oci/errors.ts'
import type { Log } from '../../telemetry/log.ts'
import { endShort } from '../end-short.ts'
import { answerError } from '../error-response.ts'
import type { Exchange } from '../exchange.ts'
import { BodyOverLimit, BodyTooLarge } from '../request-body.ts'
import { fieldsOf } from '../request-log.ts'

export function createErrors(log: Log): Middleware<Exchange> {
  // One failed question may have many askers, who all get the same error object.
  const logged = new WeakSet<object>()

  return async (ctx, next) => {
    try {
      await next()
    } catch (error) {
      ctx.respond = false
      const exchange = ctx.state
      report(exchange, error)
      // After the headers there is no way to tell; the client must see a short body, never a well-ended wrong one.
      if (exchange.res.headersSent) endShort(exchange)
      else if (!exchange.res.destroyed) answerError(exchange, error)
    }
  }

  function report(exchange: Exchange, error: unknown): void {
    if (typeof error === 'object' && error !== null) {
      if (logged.has(error)) return
      logged.add(error)
    }
    const fields = { ...fieldsOf(exchange), error }
    if (exchange.signal.aborted || isBrokenWrite(error)) log.debug(fields, 'ended a request whose client is gone')
    else if (isRegistryError(error) || error instanceof BodyTooLarge || error instanceof BodyOverLimit)
      log.debug(fields, 'refused a request')
    else if (error instanceof UpstreamFailure) log.warn({ ...fields, kind: error.kind }, 'upstream failed a request')
    else log.error(fields, 'failed a request')
  }
}

/** A client's leaving may be told by the write that failed before it is told by its connection. Trouble upstream is an UpstreamFailure. */
function isBrokenWrite(error: unknown): boolean {
  if (!(error instanceof Error) || !('code' in error) || !('syscall' in error)) return false
  return error.syscall === 'write' && (error.code === 'EPIPE' || error.code === 'ECONNRESET')
}
