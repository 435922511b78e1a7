// `garbage-collect`: deletes what no manifest refers to, and says so in distribution's lines. Unlike distribution's it may run
// beside a server that is pushed to.
import { openCluster } from '../compose/cluster.ts'
import { openStore } from '../compose/store.ts'
import { parseDuration } from '../config/duration.ts'
import { systemClock } from '../lib/clock.ts'
import { createLog, errorText } from '../telemetry/log.ts'
import { readConfigurationAloud } from './configuration.ts'
import type { CommandOptions } from './version.ts'

export interface GarbageOptions extends CommandOptions {
  readonly dryRun: boolean
  readonly deleteUntagged: boolean
  readonly quiet: boolean
  /** A duration as in a configuration file. */
  readonly grace: string
}

/** Throws ConfigError. Resolves with the exit code. */
export async function collectGarbage(options: GarbageOptions): Promise<number> {
  const graceMs = graceIn(options.grace)
  if (graceMs === undefined) {
    process.stderr.write(`--grace ${options.grace}: not a duration such as 90s, 30m or 1h\n`)
    return 1
  }
  const { config } = await readConfigurationAloud(options)
  const { formatter, fields } = config.log
  const log = createLog({ level: config.log.level, formatter, fields })
  const report = options.quiet ? () => {} : (line: string) => void process.stdout.write(`${line}\n`)
  try {
    await using building = new AsyncDisposableStack()
    const parts = { log, clock: systemClock }
    const cluster = await openCluster(config, parts, building)
    const { content } = building.use(await openStore(config, { ...parts, cluster }))
    const lease = await cluster.leases.tryAcquire('garbage collection')
    if (lease === undefined) throw new Error(`it runs already, started by ${await cluster.leases.holderOf('garbage collection')}`)
    building.defer(() => lease.release())
    const sweep = { isDryRun: options.dryRun, deleteUntagged: options.deleteUntagged, graceMs }
    await content.collectGarbage(sweep, report, lease.signal)
    return 0
  } catch (error) {
    process.stderr.write(`entrepot cannot collect garbage: ${errorText(error)}\n`)
    return 1
  }
}

/** `undefined`: no span of time. */
function graceIn(text: string): number | undefined {
  try {
    const milliseconds = parseDuration(text)
    return milliseconds < 0 ? undefined : milliseconds
  } catch (error) {
    if (error instanceof RangeError) return undefined
    throw error
  }
}
