// buildah with a storage of its own: builds and pushes images without a daemon.
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { NOWHERE_ELSE, removeServerFolder, serverFolder } from './process.ts'
import { type Finished, runProgram } from './program.ts'
import { writeRegistriesConf } from './registries-conf.ts'

export interface Buildah extends AsyncDisposable {
  /** Removed on dispose. */
  readonly folder: string
  /** Throws when it fails. */
  buildah(...args: string[]): Promise<Finished>
}

export async function openBuildah(): Promise<Buildah> {
  const folder = await serverFolder('buildah')
  const temporary = join(folder, 'tmp')
  await mkdir(temporary)
  const policy = join(folder, 'policy.json')
  await writeFile(policy, JSON.stringify({ default: [{ type: 'insecureAcceptAnything' }] }))
  const noLogins = join(folder, 'auth.json')
  await writeFile(noLogins, '{}')
  const env = {
    ...NOWHERE_ELSE,
    CONTAINERS_REGISTRIES_CONF: await writeRegistriesConf(folder, []),
    CONTAINERS_CONF: '/dev/null',
    REGISTRY_AUTH_FILE: noLogins,
    XDG_RUNTIME_DIR: join(folder, 'run'),
    TMPDIR: temporary,
  }
  const storage = ['--root', join(folder, 'root'), '--runroot', join(folder, 'run'), '--storage-driver', 'vfs']
  return {
    folder,
    buildah: (...[command = '', ...args]) => {
      // Debian brings no policy.json without its recommended packages, and without one buildah refuses these.
      const needsPolicy = ['commit', 'push', 'pull', 'from'].includes(command)
      return runProgram('buildah', [...storage, command, ...(needsPolicy ? ['--signature-policy', policy] : []), ...args], { env })
    },
    [Symbol.asyncDispose]: () => removeServerFolder(folder),
  }
}
