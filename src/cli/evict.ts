// `evict`: what the limits of the configuration ask to go goes now; with --dry-run it is only listed, with the reason. Beside a running
// server or without one.
import { type EvictedRow, evictNow } from '../compose/eviction.ts'
import { systemClock } from '../lib/clock.ts'
import { createLog, errorText } from '../telemetry/log.ts'
import { readConfigurationAloud } from './configuration.ts'
import type { CommandOptions } from './version.ts'

export interface EvictOptions extends CommandOptions {
  readonly dryRun: boolean
  readonly json: boolean
}

/** Throws ConfigError. Resolves with the exit code. */
export async function evict(options: EvictOptions): Promise<number> {
  const { config } = await readConfigurationAloud(options)
  const log = createLog({ level: 'error', formatter: config.log.formatter, fields: config.log.fields })
  try {
    const rows = await evictNow(config, { log, clock: systemClock }, options.dryRun)
    if (rows === undefined) {
      process.stderr.write('nothing is evicted without proxy: all that is here was pushed\n')
      return 1
    }
    process.stdout.write(options.json ? `${JSON.stringify(rows)}\n` : tableOf(rows, options.dryRun))
    return 0
  } catch (error) {
    process.stderr.write(`entrepot cannot evict: ${errorText(error)}\n`)
    return 1
  }
}

function tableOf(rows: readonly EvictedRow[], isDryRun: boolean): string {
  const lines = rows.map(({ repository, tags, digest, reason, usedAt, bytes }) => {
    const name = tags.length === 0 ? `${repository}@${digest}` : tags.map((tag) => `${repository}:${tag}`).join(' ')
    return `${reason.padEnd(8)}${usedAt.slice(0, 19)}Z  ${String(bytes).padStart(14)}  ${name}`
  })
  const total = rows.reduce((sum, { bytes }) => sum + bytes, 0)
  const head = lines.length === 0 ? [] : [`${'WHY'.padEnd(8)}${'LAST USE'.padEnd(20)}  ${'BYTES'.padStart(14)}  WHAT`]
  return [...head, ...lines, `${lines.length} ${isDryRun ? 'would go' : 'go'}, ${total} bytes`, ''].join('\n')
}
