// podman with a storage and a registries.conf of its own. It has no daemon: every command is one process.
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { NOWHERE_ELSE, removeServerFolder, serverFolder } from './process.ts'
import { type Finished, runProgram } from './program.ts'
import { writeRegistriesConf } from './registries-conf.ts'

export interface Podman extends AsyncDisposable {
  /** Throws when it fails. */
  podman(...args: string[]): Promise<Finished>
}

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
  return {
    podman: (...args) => runProgram('podman', [...storage, ...machine, ...withPolicy(args, policy)], { env }),
    [Symbol.asyncDispose]: () => removeServerFolder(folder),
  }
}

/** Debian puts no policy.json in place with `--no-install-recommends`, and without one podman refuses to pull. */
function withPolicy(args: readonly string[], policy: string): readonly string[] {
  return args[0] === 'pull' ? ['pull', '--signature-policy', policy, ...args.slice(1)] : args
}
