// What operators look at: health, counters, and the address where both can be read. Made first, so that every part can tell of itself.
import type { Link } from '../cluster/worker-link.ts'
import type { Config } from '../config/load.ts'
import type { Clock } from '../lib/clock.ts'
import type { Facts } from '../telemetry/facts.ts'
import { Health } from '../telemetry/health.ts'
import type { Log } from '../telemetry/log.ts'
import type { Meters } from '../telemetry/meters.ts'
import { RequestParts } from '../telemetry/request-parts.ts'
import { isTracingWanted } from '../telemetry/tracing.ts'
import { createDebug, type Debug } from './debug.ts'
import { type Counting, createCounting } from './metrics.ts'

export interface Operation {
  /** For any part that is in trouble: `health.tell(name, what is wrong)`. */
  readonly health: Health
  readonly debug: Debug
  readonly counting: Counting
  readonly facts: Facts
  readonly meters: Meters
  /** `undefined`: nobody wants spans. */
  readonly requestParts: RequestParts | undefined
}

export interface OperationParts {
  readonly clock: Clock
  readonly log: Log
  /** Of a worker process. */
  readonly primary?: Link | undefined
}

export function createOperation(config: Config, parts: OperationParts): Operation {
  const health = new Health()
  const debug = createDebug(config, { ...parts, health })
  const plain = createCounting(config, { routes: debug.routes, health, clock: parts.clock, primary: parts.primary })
  const requestParts = isTracingWanted(process.env) ? new RequestParts() : undefined
  const counting = requestParts === undefined ? plain : { ...plain, facts: requestParts.noting(plain.facts) }
  return { health, debug, counting, facts: counting.facts, meters: counting.meters, requestParts }
}
