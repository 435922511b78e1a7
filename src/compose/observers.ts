// Everybody who is told of each request that ended: counters, notifications, the log, spans. Part of compose.
import type { Config } from '../config/load.ts'
import type { LiveRequests } from '../http/middleware/cancellation.ts'
import type { RequestObserver } from '../http/request-hooks.ts'
import { createRequestLog } from '../http/request-log.ts'
import type { RequestParts } from '../telemetry/request-parts.ts'
import type { Counting } from './metrics.ts'
import { type NotifyParts, openNotifications } from './notify.ts'
import { openSpans } from './tracing.ts'

export interface ObserverParts extends Omit<NotifyParts, 'meters'> {
  readonly counting: Counting
  readonly requests: LiveRequests
  readonly userAgent: string
  readonly requestParts: RequestParts | undefined
}

/** What they open is closed with `building`. */
export async function openObservers(
  config: Config,
  parts: ObserverParts,
  building: AsyncDisposableStack,
): Promise<readonly RequestObserver[]> {
  const { counting, requests, userAgent, requestParts, log } = parts
  return [
    ...counting.observers(requests),
    ...(await openNotifications(config, { ...parts, meters: counting.meters }, building)),
    ...createRequestLog(log, config.log.level),
    ...(requestParts === undefined ? [] : await openSpans(requestParts, userAgent, log, building)),
  ]
}
