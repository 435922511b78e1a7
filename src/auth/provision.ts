// A htpasswd file where there is none, as distribution makes it: one user with a random password, which the log tells once.
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Log } from '../telemetry/log.ts'

const user = 'docker'
const cost = 10

/** Leaves a file alone. Throws what writing throws. */
export async function provisionHtpasswd(path: string, log: Log): Promise<void> {
  if (existsSync(path)) return
  const { hash } = await import('bcryptjs')
  const password = randomBytes(32).toString('base64url')
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  try {
    await writeFile(path, `${user}:${await hash(password, cost)}\n`, { mode: 0o600, flag: 'wx' })
  } catch (error) {
    // Another replica on the same folder was faster; its log has the password.
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return
    throw error
  }
  // The name keeps it from what no log may hold: this one line must tell it.
  log.warn({ path, user, initialPassword: password }, 'htpasswd is missing, provisioning with default user')
}
