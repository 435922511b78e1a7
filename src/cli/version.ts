// What every command knows: its options, and which entrepot this is.
import { readFileSync } from 'node:fs'

export interface CommandOptions {
  /** A configuration file; `undefined`: see config/configuration-file.ts. */
  readonly file: string | undefined
  /** Unknown and misplaced keys are errors. */
  readonly strict: boolean
}

export function version(): string {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }
  return version
}
