// `http.debug` of the configuration → a server of its own for operators. Part of compose.
import type { Link } from '../cluster/worker-link.ts'
import type { Config } from '../config/load.ts'
import { parseListenTarget } from '../config/listen-target.ts'
import { addHealthRoutes, DebugRoutes } from '../http/debug.ts'
import { LiveRequests } from '../http/middleware/cancellation.ts'
import { type OpenServer, openServer } from '../http/server.ts'
import type { Clock } from '../lib/clock.ts'
import { type Health, type HealthState, together } from '../telemetry/health.ts'
import type { Log } from '../telemetry/log.ts'
import { hasDebugAddress } from './looked-at.ts'

export interface DebugParts {
  readonly health: Health
  readonly clock: Clock
  readonly log: Log
  /** Of a worker process: it answers for all of them. */
  readonly primary?: Link | undefined
}

export interface Debug {
  /** Routes may be added at any time. They exist without a debug address, too. */
  readonly routes: DebugRoutes
  /** Starts to listen; `undefined` without `http.debug.addr`. Throws what listening throws. */
  listen(building: AsyncDisposableStack): Promise<OpenServer | undefined>
}

export function createDebug({ http }: Config, { health, clock, log, primary }: DebugParts): Debug {
  const routes = new DebugRoutes(log)
  primary?.answer({ 'worker.health': () => health.state() })
  addHealthRoutes(routes, async () => {
    if (primary === undefined) return health.state()
    return together([health.state(), ...((await primary.ask('crew.health')) as HealthState[])])
  })
  return {
    routes,
    async listen(building) {
      if (!hasDebugAddress(http.debug)) return undefined
      const handle = routes.handle.bind(routes)
      const listen = parseListenTarget('tcp', http.debug.addr)
      const server = building.use(await openServer({ handle, requests: new LiveRequests(), log, listen, clock }))
      log.info({ address: server.address }, 'the debug server listens')
      return server
    },
  }
}
