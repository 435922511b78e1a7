// `config`: what a configuration file comes to with the environment and the defaults, secrets left out, and what is odd about it.
import { formatProblem } from '../config/load.ts'
import { formatConfig } from '../config/redact.ts'
import { readConfiguration } from './configuration.ts'
import type { CommandOptions } from './version.ts'

/** Throws ConfigError. Resolves with the exit code. */
export async function printConfig(options: CommandOptions): Promise<number> {
  const { config, warnings, file } = await readConfiguration(options)
  process.stdout.write(`# ${file}, with the environment and the defaults\n${formatConfig(config)}`)
  for (const warning of warnings) process.stderr.write(`warning: ${formatProblem(warning)}\n`)
  if (warnings.length === 0) process.stderr.write('nothing is odd about it\n')
  return 0
}
