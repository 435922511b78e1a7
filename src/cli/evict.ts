// `evict`: what the limits of the configuration ask to go goes now; with --dry-run it is only listed, with the reason. Beside a running
// server or without one.
import { openEviction } from '../compose/eviction.ts'
import { openStore } from '../compose/store.ts'
import { openUsage } from '../compose/usage.ts'
import { formatProblem } from '../config/load.ts'
import { systemClock } from '../lib/clock.ts'
import type { PlannedEviction } from '../mirror/eviction.ts'
import { createLog, errorText } from '../telemetry/log.ts'
import { readConfiguration } from './configuration.ts'
import type { CommandOptions } from './version.ts'

export interface EvictOptions extends CommandOptions {
  readonly dryRun: boolean
  readonly json: boolean
}

/** Throws ConfigError. Resolves with the exit code. */
export async function evict(options: EvictOptions): Promise<number> {
  const { config, warnings } = await readConfiguration(options)
  for (const warning of warnings) process.stderr.write(`warning: ${formatProblem(warning)}\n`)
  const log = createLog({ level: 'error', formatter: config.log.formatter, fields: config.log.fields })
  const clock = systemClock
  try {
    const store = openStore(config, { log, clock })
    await using usage = openUsage(config, { driver: () => store.driver, clock, log })
    const eviction = usage === undefined ? undefined : openEviction(config, { usage, store, clock, log })
    if (usage === undefined || eviction === undefined) {
      process.stderr.write('nothing is evicted without proxy: all that is here was pushed\n')
      return 1
    }
    await usage.rebuild(store.content, true)
    const planned: PlannedEviction[] = []
    for await (const each of eviction.plan()) planned.push(each)
    process.stdout.write(options.json ? `${JSON.stringify(planned.map(rowOf))}\n` : tableOf(planned, options.dryRun))
    if (!options.dryRun) await eviction.run()
    return 0
  } catch (error) {
    process.stderr.write(`entrepot cannot evict: ${errorText(error)}\n`)
    return 1
  }
}

function rowOf({ root, reason, removal }: PlannedEviction) {
  const { repository, tags, digest, kind, usedAt } = root
  const bytes = removal.blobs.reduce((sum, { size }) => sum + size, 0)
  return { repository, tags, digest, kind, reason, usedAt: new Date(usedAt).toISOString(), bytes }
}

function tableOf(planned: readonly PlannedEviction[], isDryRun: boolean): string {
  const rows = planned.map(rowOf)
  const lines = rows.map(({ repository, tags, digest, reason, usedAt, bytes }) => {
    const name = tags.length === 0 ? `${repository}@${digest}` : tags.map((tag) => `${repository}:${tag}`).join(' ')
    return `${reason.padEnd(8)}${usedAt.slice(0, 19)}Z  ${String(bytes).padStart(14)}  ${name}`
  })
  const total = rows.reduce((sum, { bytes }) => sum + bytes, 0)
  const head = lines.length === 0 ? [] : [`${'WHY'.padEnd(8)}${'LAST USE'.padEnd(20)}  ${'BYTES'.padStart(14)}  WHAT`]
  return [...head, ...lines, `${lines.length} ${isDryRun ? 'would go' : 'go'}, ${total} bytes`, ''].join('\n')
}
