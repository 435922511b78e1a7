// Debian's dockerd with everything of its own: data, runtime state, socket, and the containerd that it starts itself.
// What a virtual machine without much in it gives: cgroups (v1 suffices) and overlay2 on ext4. No bridge and no
// firewall rules, so containers run with `--network none`.
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { programPath } from '../packages.ts'
import { NOWHERE_ELSE, serverFolder, startServerProcess } from './process.ts'
import { type Finished, runProgram } from './program.ts'

export interface DockerdOptions {
  /** Base URLs, as in daemon.json. Without `https:` they need no further setting. */
  mirrors: readonly string[]
  insecureRegistries?: readonly string[]
  /** What it finds in place of files and folders of this machine, by their paths; others see nothing of it. */
  inPlaceOf?: Readonly<Record<string, string>>
}

export interface Dockerd extends AsyncDisposable {
  /** DOCKER_HOST of this daemon. */
  readonly host: string
  /** Runs the command line client against this daemon. Throws when it fails. */
  docker(...args: string[]): Promise<Finished>
  log(): string
}

/** overlay2 needs a file system that carries it; where the temporary folder is itself an overlay, vfs does, slowly. */
const STORAGE_DRIVERS = ['overlay2', 'vfs'] as const

export async function startDockerd(options: DockerdOptions): Promise<Dockerd> {
  let failure: unknown
  for (const driver of STORAGE_DRIVERS) {
    try {
      return await startWithDriver(options, driver)
    } catch (error) {
      failure = error
    }
  }
  throw failure
}

async function startWithDriver(options: DockerdOptions, driver: string): Promise<Dockerd> {
  const folder = await serverFolder('dockerd')
  const socket = `unix://${join(folder, 'sock')}`
  const settings = {
    'data-root': join(folder, 'data'),
    'exec-root': join(folder, 'exec'),
    pidfile: join(folder, 'pid'),
    hosts: [socket],
    'registry-mirrors': options.mirrors,
    'insecure-registries': options.insecureRegistries ?? [],
    'storage-driver': driver,
    iptables: false,
    bridge: 'none',
  }
  const configuration = join(folder, 'daemon.json')
  await writeFile(configuration, JSON.stringify(settings))
  const server = await startServerProcess({
    folder,
    ...commandFor(options.inPlaceOf ?? {}, ['--config-file', configuration]),
    ready: /API listen on/,
    env: NOWHERE_ELSE,
  })
  const env = { DOCKER_HOST: socket, DOCKER_CONFIG: join(folder, 'client'), DOCKER_CONTEXT: '' }
  return {
    host: socket,
    docker: (...args) => runProgram('docker', args, { env }),
    log: () => server.stderr(),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  }
}

/** In a mount namespace of its own, where something is to be found in place of something else. */
function commandFor(inPlaceOf: Readonly<Record<string, string>>, args: readonly string[]): { command: string; args: readonly string[] } {
  const binds = Object.entries(inPlaceOf)
  if (binds.length === 0) return { command: programPath('dockerd'), args }
  const script = [
    ...binds.map(([place, source]) => `{ [ -e ${place} ] || mkdir -p ${place}; } && mount --bind ${source} ${place}`),
    'exec "$@"',
  ].join(' && ')
  return { command: programPath('unshare'), args: ['--mount', 'sh', '-c', script, 'sh', programPath('dockerd'), ...args] }
}
