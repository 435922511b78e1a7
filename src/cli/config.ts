// `config`: what a configuration file comes to with the environment and the defaults, secrets left out, and what is odd about it.
import { formatConfig } from '../config/redact.ts'
import { readConfigurationAloud } from './configuration.ts'
import type { CommandOptions } from './version.ts'

/** Throws ConfigError. Resolves with the exit code. */
export async function printConfig(options: CommandOptions): Promise<number> {
  const { config, warnings, file } = await readConfigurationAloud(options)
  process.stdout.write(`# ${file}, with the environment and the defaults\n${formatConfig(config)}`)
  if (warnings.length === 0) process.stderr.write('nothing is odd about it\n')
  return 0
}
