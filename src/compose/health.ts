// `health` of the configuration → checks that run at their intervals. Part of compose.
import type { Config } from '../config/load.ts'
import type { Clock } from '../lib/clock.ts'
import type { StorageDriver } from '../store/driver.ts'
import type { Health } from '../telemetry/health.ts'
import { type CheckSchedule, fileCheck, httpCheck, startChecks, tcpCheck } from '../telemetry/health-checks.ts'
import type { Log } from '../telemetry/log.ts'

export interface HealthParts {
  readonly health: Health
  readonly driver: StorageDriver
  readonly clock: Clock
  readonly log: Log
}

/** Runs until it is disposed. */
export function startHealthChecks(config: Config, parts: HealthParts): AsyncDisposable {
  return startChecks(schedulesOf(config.health, parts.driver), parts)
}

/** Named as in distribution, so that alerts on /debug/health go on working. */
function schedulesOf({ storagedriver, file, http, tcp }: Config['health'], driver: StorageDriver): CheckSchedule[] {
  const storage = async () => {
    // Absent is fine: nothing may have been kept yet.
    await driver.stat('/docker')
  }
  return [
    ...(storagedriver.enabled ? [{ ...timesOf(storagedriver), timeoutMs: 0, name: `storagedriver_${driver.name}`, check: storage }] : []),
    ...file.map((each) => ({ ...timesOf(each), threshold: 1, timeoutMs: 0, name: each.file, check: fileCheck(each.file) })),
    ...http.map((each) => ({ ...timesOf(each), timeoutMs: each.timeout, name: each.uri, check: httpCheck(each) })),
    ...tcp.map((each) => ({ ...timesOf(each), timeoutMs: each.timeout, name: each.addr, check: tcpCheck(each.addr) })),
  ]
}

function timesOf({ interval, threshold }: { readonly interval: number; readonly threshold: number }) {
  return { intervalMs: interval, threshold }
}
