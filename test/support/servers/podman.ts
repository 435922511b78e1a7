// podman with a storage and a registries.conf of its own. It has no daemon: every command is one process.
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { NOWHERE_ELSE, removeServerFolder, serverFolder } from './process.ts'
import { type Finished, runProgram } from './program.ts'
import { writeRegistriesConf } from './registries-conf.ts'

export interface Podman extends AsyncDisposable {
  pull(...args: string[]): Promise<Finished>
  /** Runs a new container without network; what it printed on stdout. */
  run(...args: string[]): Promise<string>
  /** Throws when it fails. */
  podman(...args: string[]): Promise<Finished>
}

/** Unasked, podman gives more open files and processes than root may have in a container or a small virtual machine. */
const SMALL_LIMITS = ['--ulimit', 'nofile=1024:1024', '--ulimit', 'nproc=4096:4096']

/** Storage by vfs: it works on every file system and in every container, and the images are small. */
export async function openPodman(options: { mirrors: readonly string[] }): Promise<Podman> {
  const folder = await serverFolder('podman')
  const [root, runRoot, temporary] = [join(folder, 'root'), join(folder, 'run'), join(folder, 'tmp')]
  await mkdir(temporary)
  const policy = join(folder, 'policy.json')
  await writeFile(policy, JSON.stringify({ default: [{ type: 'insecureAcceptAnything' }] }))
  const noLogins = join(folder, 'auth.json')
  await writeFile(noLogins, '{}')
  const env = {
    ...NOWHERE_ELSE,
    CONTAINERS_REGISTRIES_CONF: await writeRegistriesConf(folder, options.mirrors),
    CONTAINERS_CONF: '/dev/null',
    REGISTRY_AUTH_FILE: noLogins,
    XDG_RUNTIME_DIR: runRoot,
    TMPDIR: temporary,
  }
  const storage = ['--root', root, '--runroot', runRoot, '--tmpdir', temporary, '--storage-driver', 'vfs']
  const machine = ['--cgroup-manager', 'cgroupfs', '--events-backend', 'none']
  const podman = (...args: string[]) => runProgram('podman', [...storage, ...machine, ...args], { env })
  return {
    podman,
    // Debian brings no policy.json without its recommended packages, and without one podman refuses to pull.
    pull: (...args) => podman('pull', '--signature-policy', policy, ...args),
    run: async (...args) => (await podman('run', '--rm', '--network', 'none', '--pull', 'never', ...SMALL_LIMITS, ...args)).stdout,
    [Symbol.asyncDispose]: () => removeServerFolder(folder),
  }
}
