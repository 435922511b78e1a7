// While a health check fails, every request is refused, as in distribution: a load balancer takes the server out.
import type { Middleware } from 'koa'
import { RegistryError } from '../../oci/errors.ts'
import type { Health } from '../../telemetry/health.ts'
import { answerError } from '../error-response.ts'
import type { Exchange } from '../exchange.ts'

const unhealthy = new RegistryError('UNAVAILABLE', 'service unavailable', {
  detail: 'health check failed: please see /debug/health',
})

export function createHealthGate(health: Health): Middleware<Exchange> {
  return (ctx, next) => {
    if (!health.isFailing) return next()
    ctx.respond = false
    answerError(ctx.state, unhealthy)
    return Promise.resolve()
  }
}
