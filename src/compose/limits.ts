// `http.limits` of the configuration → what bounds connections and requests. Part of compose.
import type { Config } from '../config/load.ts'
import { parseRanges } from '../http/client-address.ts'
import { limited } from '../http/limits.ts'
import type { ConnectionLimits, ServerOptions } from '../http/server.ts'
import type { Clock } from '../lib/clock.ts'

export function connectionLimitsOf({ limits }: Config['http']): ConnectionLimits {
  const { headersize, headertimeout, idletimeout, connections } = limits
  return { maxHeaderBytes: headersize, headersTimeoutMs: headertimeout, idleMs: idletimeout, perAddress: connections }
}

export function limitedBy(
  { limits, trustedproxies }: Config['http'],
  handle: ServerOptions['handle'],
  clock: Clock,
): ServerOptions['handle'] {
  const { requestrate, bodysize } = limits
  return limited(handle, { requestRate: requestrate, maxBodyBytes: bodysize, trustedProxies: parseRanges(trustedproxies), clock })
}
