// The configuration that a command works with: the file it was given or the usual ones, the environment, the defaults.
import { readConfigurationFile } from '../config/configuration-file.ts'
import { formatProblem, type Loaded, loadConfig } from '../config/load.ts'
import type { CommandOptions } from './version.ts'

export interface Configuration extends Loaded {
  readonly file: string
}

/** Throws ConfigError. */
export async function readConfiguration({ file: argument, strict }: CommandOptions): Promise<Configuration> {
  const { file, text } = await readConfigurationFile(argument, process.env)
  return { file, ...loadConfig({ file, text, env: process.env, strict }) }
}

/** With what is odd about it told on stderr. Throws ConfigError. */
export async function readConfigurationAloud(options: CommandOptions): Promise<Configuration> {
  const configuration = await readConfiguration(options)
  for (const warning of configuration.warnings) process.stderr.write(`warning: ${formatProblem(warning)}\n`)
  return configuration
}
