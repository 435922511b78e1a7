// `http.debug` of the configuration → a server of its own for operators. Part of compose.
import type { Config } from '../config/load.ts'
import { parseListenTarget } from '../config/listen-target.ts'
import { addHealthRoutes, DebugRoutes } from '../http/debug.ts'
import { LiveRequests } from '../http/middleware/cancellation.ts'
import { type OpenServer, openServer } from '../http/server.ts'
import type { Clock } from '../lib/clock.ts'
import type { Health } from '../telemetry/health.ts'
import type { Log } from '../telemetry/log.ts'

export interface DebugParts {
  readonly health: Health
  readonly clock: Clock
  readonly log: Log
}

export interface Debug {
  /** Routes may be added at any time. They exist without a debug address, too. */
  readonly routes: DebugRoutes
  /** Starts to listen; `undefined` without `http.debug.addr`. Throws what listening throws. */
  listen(building: AsyncDisposableStack): Promise<OpenServer | undefined>
}

export function createDebug({ http }: Config, { health, clock, log }: DebugParts): Debug {
  const { addr } = http.debug
  const routes = new DebugRoutes(log)
  addHealthRoutes(routes, health)
  return {
    routes,
    async listen(building) {
      if (addr === undefined || addr === '') return undefined
      const handle = routes.handle.bind(routes)
      const listen = parseListenTarget('tcp', addr)
      const server = building.use(await openServer({ handle, requests: new LiveRequests(), log, listen, clock }))
      log.info({ address: server.address }, 'the debug server listens')
      return server
    },
  }
}
