// Part of compose.
import type { Config } from '../config/load.ts'

/** Whether anybody could look at what this server tells of itself: by the debug address, or by the dashboard on the main one. */
export function isLookedAt({ http }: Config): boolean {
  return http.dashboard.enabled || hasDebugAddress(http.debug)
}

export function hasDebugAddress(debug: Config['http']['debug']): debug is typeof debug & { readonly addr: string } {
  return debug.addr !== undefined && debug.addr !== ''
}
