// A registry behind a htpasswd file that Debian's own htpasswd wrote, and clients that log in.
import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Clock } from '../../src/lib/clock.ts'
import { programPath } from '../support/packages.ts'
import { type Registry, startRegistry } from '../support/registry.ts'

const run = promisify(execFile)

export interface Guarded extends Registry {
  readonly file: string
  readonly groups: string
}

/** `flag`: how passwords are hashed; `-B` is bcrypt. */
export async function addUser(file: string, user: string, password: string, flag = '-B'): Promise<void> {
  await run(programPath('htpasswd'), ['-b', flag, file, user, password])
}

export async function startGuarded(
  users: Readonly<Record<string, string>>,
  options: { readonly auth?: object; readonly groups?: string; readonly config?: object; readonly clock?: Clock } = {},
): Promise<Guarded> {
  const folder = await mkdtemp(join(tmpdir(), 'entrepot-auth-'))
  const [file, groups] = [join(folder, 'htpasswd'), join(folder, 'groups')]
  await writeFile(file, '')
  await writeFile(groups, options.groups ?? '')
  for (const [user, password] of Object.entries(users)) await addUser(file, user, password)
  const auth = { htpasswd: { realm: 'test', path: file, groups }, ...options.auth }
  const clock = options.clock === undefined ? {} : { clock: options.clock }
  const registry = await startRegistry({ config: { auth, ...options.config }, ...clock })
  return {
    ...registry,
    file,
    groups,
    async [Symbol.asyncDispose]() {
      await registry[Symbol.asyncDispose]()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

export function basic(user: string, password: string): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`
}

/** The status of one request. */
export async function statusOf({ url }: { readonly url: string }, path: string, authorization?: string, init: RequestInit = {}) {
  const headers: Record<string, string> = { ...(init.headers as Record<string, string>) }
  if (authorization !== undefined) headers['authorization'] = authorization
  const answer = await fetch(`${url}${path}`, { ...init, headers })
  await answer.arrayBuffer()
  return answer.status
}
