// Debian's containerd with its own root, state and address, and `ctr` as its client.
import { mkdir, mkdtemp, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { programPath } from '../packages.ts'
import { NOWHERE_ELSE, serverFolder, startServerProcess } from './process.ts'
import { type Finished, runProgram } from './program.ts'

export interface Containerd extends AsyncDisposable {
  /** Pulls a full reference (`docker.io/library/x:tag`) by way of the hosts.toml that names the mirrors. Throws when it fails. */
  pull(reference: string, ...flags: string[]): Promise<Finished>
  /** A text file of a pulled and unpacked image, by way of its mounted file system. `flags`: of `ctr images mount`. */
  readFile(reference: string, file: string, ...flags: string[]): Promise<string>
  ctr(...args: string[]): Promise<Finished>
  log(): string
}

/** The mirrors serve the namespace docker.io for pull and for resolve; containerd adds `?ns=docker.io` to what it asks them. */
export async function startContainerd(options: { mirrors: readonly string[] }): Promise<Containerd> {
  const folder = await serverFolder('containerd')
  const hostsFolder = join(folder, 'certs.d')
  await mkdir(join(hostsFolder, 'docker.io'), { recursive: true })
  const hosts = options.mirrors.map((url) => `[host."${url}"]\n  capabilities = ["pull", "resolve"]\n`)
  await writeFile(join(hostsFolder, 'docker.io', 'hosts.toml'), ['server = "https://registry-1.docker.io"\n', ...hosts].join('\n'))
  const address = join(folder, 'sock')
  const configuration = join(folder, 'config.toml')
  await writeFile(configuration, settings(folder, address))
  const server = await startServerProcess({
    folder,
    command: programPath('containerd'),
    args: ['--config', configuration],
    ready: /containerd successfully booted/,
    env: NOWHERE_ELSE,
  })
  // `ctr` itself talks to the registry in containerd 1.x: the proxy rule must hold for the client, too.
  const ctr = (...args: string[]) => runProgram('ctr', ['--address', address, ...args], { env: NOWHERE_ELSE })
  return {
    ctr,
    pull: (reference, ...flags) => ctr('images', 'pull', '--hosts-dir', hostsFolder, ...flags, reference),
    async readFile(reference, file, ...flags) {
      const target = await mkdtemp(join(folder, 'mount-'))
      await ctr('images', 'mount', ...flags, reference, target)
      try {
        return await readFile(join(target, file), 'utf8')
      } finally {
        // The snapshot behind the mount is named after the folder.
        await ctr('images', 'unmount', '--rm', target)
      }
    },
    log: () => server.stderr(),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  }
}

/** The CRI plug-in wants networking set-up that no test needs. */
function settings(folder: string, address: string): string {
  return `version = 2
root = "${join(folder, 'root')}"
state = "${join(folder, 'state')}"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
  address = "${address}"
[ttrpc]
  address = "${address}.ttrpc"
`
}
