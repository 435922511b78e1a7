// The admin API and the dashboard: on the debug address, and on the main one for who has logged in. Part of compose.
import type { IncomingMessage, ServerResponse } from 'node:http'
import { adminPath, createAdmin } from '../admin/routes.ts'
import { History } from '../admin/history.ts'
import { Incidents } from '../admin/incidents.ts'
import { standingOf } from '../admin/snapshot.ts'
import { type Standing, together } from '../admin/together.ts'
import type { Link } from '../cluster/worker-link.ts'
import type { Config } from '../config/load.ts'
import { createDashboard, dashboardPath } from '../dashboard/routes.ts'
import type { OperatorPages } from '../http/operator-pages.ts'
import type { Clock } from '../lib/clock.ts'
import type { Log } from '../telemetry/log.ts'
import { type AdminViewParts, viewsOf } from './admin-views.ts'
import { isLookedAt } from './looked-at.ts'
import type { Operation } from './operation.ts'

export interface AdminParts extends Omit<AdminViewParts, 'health' | 'counting'>, Pick<Operation, 'health' | 'counting' | 'debug'> {
  readonly incidents: Incidents | undefined
  readonly log: Log
  /** Of a worker process: it answers for all of them. */
  readonly primary?: Link | undefined
}

/** From here on the log is listened to; `undefined` where nobody could look. */
export function listenToLog<Parts extends { readonly log: Log; readonly clock: Clock }>(
  config: Config,
  parts: Parts,
): { readonly parts: Parts; readonly incidents: Incidents | undefined } {
  if (!isLookedAt(config)) return { parts, incidents: undefined }
  const incidents = new Incidents(parts.clock)
  return { parts: { ...parts, log: incidents.listenTo(parts.log) }, incidents }
}

/** What of it belongs on the main address; `undefined`: nothing. Throws an Error that names the configuration key. */
export function openAdmin(config: Config, parts: AdminParts, building: AsyncDisposableStack): OperatorPages | undefined {
  const { incidents, clock, log, debug, primary } = parts
  checkDashboard(config)
  if (incidents === undefined) return undefined
  const views = viewsOf(config, parts)
  const own = () => standingOf(views, incidents.list())
  primary?.answer({ 'worker.standing': own })
  const standing = async () => (primary === undefined ? own() : together((await primary.ask('crew.standing')) as Standing[]))
  const history = building.use(new History(async () => (await standing()).traffic, clock))
  history.start()
  const admin = createAdmin({ views, history, standing, clock, log })
  const dashboard = createDashboard()
  debug.routes.below(adminPath, admin)
  debug.routes.below(dashboardPath, dashboard)
  if (!config.http.dashboard.enabled) return undefined
  const isBelow = (path: string, prefix: string) => path === prefix || path.startsWith(`${prefix}/`)
  return {
    has: (path) => isBelow(path, adminPath) || isBelow(path, dashboardPath),
    handle: (req: IncomingMessage, res: ServerResponse, path: string) =>
      isBelow(path, adminPath) ? admin(req, res, path) : dashboard(req, res, path),
  }
}

/** `silly` lets everybody in who says anything at all. */
function checkDashboard({ http, auth }: Config): void {
  if (!http.dashboard.enabled || auth?.htpasswd !== undefined || auth?.token !== undefined) return
  const elsewhere = 'without it the dashboard is at http.debug.addr'
  throw new Error(`http.dashboard.enabled: needs auth.htpasswd or auth.token, for whoever sees the dashboard can evict; ${elsewhere}`)
}
