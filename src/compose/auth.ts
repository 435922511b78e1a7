// `auth` of the configuration → who is asked for a name, and who may do what. Part of compose.
import type { Authenticator } from '../auth/access.ts'
import { createSilly } from '../auth/silly.ts'
import type { Config } from '../config/load.ts'

/** `undefined`: everybody may do everything. Throws Errors that name the configuration key. */
export function openAuthentication({ auth }: Config): Authenticator | undefined {
  if (auth?.silly !== undefined) return createSilly(auth.silly)
  return undefined
}
