// Which replica this is, and which others there are, for the dashboard and the admin API. Part of compose.
import { hostname } from 'node:os'
import { Roster, type RosterEntry, type RosterParts } from '../cluster/roster.ts'
import { isEveryAddress, parseListenTarget } from '../config/listen-target.ts'
import type { Config } from '../config/load.ts'
import { dashboardPath } from '../dashboard/routes.ts'
import { urlHost } from '../lib/url-host.ts'
import { isLookedAt } from './looked-at.ts'
import { addressOf, reachableHost, type Serving } from './replicas.ts'

type Listening = Pick<Serving, 'server' | 'debugPort'>

export interface OwnRoster {
  readonly name: string
  others(): Promise<readonly RosterEntry[]>
  /** To be called when the server listens. Ends with `building`. */
  announce(listening: Listening, building: AsyncDisposableStack): void
}

export function openRoster(config: Config, parts: RosterParts): OwnRoster {
  const name = nameOf(config)
  const roster = new Roster(parts)
  return {
    name,
    others: () => roster.others(),
    announce(listening, building) {
      if (isLookedAt(config)) building.use(roster).announce({ name, dashboard: dashboardOf(config, listening) })
    },
  }
}

function nameOf({ cluster: { advertise } }: Config): string {
  if (advertise === undefined) return hostname()
  return URL.canParse(advertise) && advertise.includes('://') ? new URL(advertise).host : advertise
}

/** `null`: it is for this machine alone, or nobody knows where. */
function dashboardOf(config: Config, { server, debugPort }: Listening): string | null {
  if (config.http.dashboard.enabled) return `${addressOf(config, server)}${dashboardPath}`
  const { addr } = config.http.debug
  if (addr === undefined || debugPort === undefined) return null
  const listen = parseListenTarget('tcp', addr)
  const own = reachableHost(config.http)
  const host = 'path' in listen || listen.host === undefined || isEveryAddress(listen.host) ? own : listen.host
  return isLoopback(host) && !isLoopback(own) ? null : `http://${urlHost(host)}:${debugPort}${dashboardPath}`
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host.startsWith('127.')
}
