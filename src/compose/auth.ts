// `auth` of the configuration → who is asked for a name, and who may do what. Part of compose.
import { randomBytes } from 'node:crypto'
import type { Authenticator } from '../auth/access.ts'
import { BcryptThread } from '../auth/bcrypt-thread.ts'
import { Htpasswd } from '../auth/htpasswd.ts'
import { parseGroups, parseHtpasswd, type PasswordFile } from '../auth/htpasswd-file.ts'
import { OwnTokens } from '../auth/own-tokens.ts'
import { Passwords } from '../auth/passwords.ts'
import { provisionHtpasswd } from '../auth/provision.ts'
import { compileRules } from '../auth/rules.ts'
import { createSilly } from '../auth/silly.ts'
import { WatchedFile } from '../auth/watched-file.ts'
import type { Config } from '../config/load.ts'
import type { Clock } from '../lib/clock.ts'
import type { Log } from '../telemetry/log.ts'
import { openTokenAuthentication } from './token-auth.ts'

type Auth = NonNullable<Config['auth']>

export interface AuthenticationParts {
  readonly log: Log
  readonly clock: Clock
}

/** `undefined`: everybody may do everything. Throws Errors that name the configuration key. */
export async function openAuthentication(
  { auth, http }: Config,
  parts: AuthenticationParts,
  building: AsyncDisposableStack,
): Promise<Authenticator | undefined> {
  if (auth === undefined) return undefined
  checkRules(auth)
  if (auth.silly !== undefined) return createSilly(auth.silly)
  if (auth.token !== undefined) return openTokenAuthentication(auth.token, parts)
  if (auth.htpasswd !== undefined) return openHtpasswd(auth, auth.htpasswd, { ...parts, secret: http.secret }, building)
  return undefined
}

/** A rule that nobody looks at would be taken for a lock. */
function checkRules({ access, anonymous, htpasswd }: Auth): void {
  for (const [at, { actions }] of access.entries()) {
    if (actions.length === 0) throw new Error(`auth.access[${at}].actions: missing; allowed: pull, push, delete, *`)
  }
  if (htpasswd !== undefined) return
  if (access.length > 0) throw new Error('auth.access: needs auth.htpasswd; with tokens, the token says what its bearer may do')
  if (anonymous !== 'none') throw new Error('auth.anonymous: needs auth.htpasswd; a token server decides itself what it gives to whom')
}

async function openHtpasswd(
  auth: Auth,
  { realm, path, groups }: NonNullable<Auth['htpasswd']>,
  { log, clock, secret = randomBytes(32).toString('hex') }: AuthenticationParts & { readonly secret: string | undefined },
  building: AsyncDisposableStack,
): Promise<Authenticator> {
  const file = await naming('auth.htpasswd.path', async () => {
    await provisionHtpasswd(path, log)
    return new WatchedFile({ path, parse: (text) => tellingUnusable(parseHtpasswd(text), path, log), clock, log })
  })
  const groupFile =
    groups === undefined
      ? undefined
      : await naming('auth.htpasswd.groups', async () => new WatchedFile({ path: groups, parse: parseGroups, clock, log }))
  return new Htpasswd({
    realm,
    passwords: new Passwords({ file, thread: building.use(new BcryptThread()), clock }),
    groupsOf: (user) => groupFile?.content.get(user) ?? [],
    tokens: auth.anonymous === 'none' ? undefined : new OwnTokens({ secret, clock }),
    mayDo: compileRules({ rules: auth.access, anonymous: auth.anonymous }),
  })
}

function tellingUnusable(file: PasswordFile, path: string, log: Log): PasswordFile {
  for (const [user, kind] of file.unusable) {
    log.warn({ path, user, kind }, 'this user cannot log in: only bcrypt is accepted; set the password anew with htpasswd -B')
  }
  return file
}

async function naming<Opened>(key: string, open: () => Promise<Opened>): Promise<Opened> {
  try {
    return await open()
  } catch (error) {
    throw new Error(`${key}: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
  }
}
