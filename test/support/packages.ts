// Brings the Debian packages that the suites with real servers and real clients need. A test run must work in a fresh
// checkout on a fresh machine, so nothing is expected to be there; where it cannot be had, suites are skipped loudly.
import { execFile } from 'node:child_process'
import { accessSync, appendFileSync, constants, existsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const execFileAsync = promisify(execFile)

/** Every package that some suite needs, with a program that it brings. */
const PROGRAM_OF_PACKAGE = {
  apache2: 'apache2',
  'apache2-utils': 'htpasswd',
  buildah: 'buildah',
  'busybox-static': 'busybox',
  'ceph-common': 'ceph',
  'ceph-mon': 'ceph-mon',
  'ceph-osd': 'ceph-osd',
  chromium: 'chromium',
  containerd: 'containerd',
  'docker-registry': 'docker-registry',
  'docker.io': 'dockerd',
  haproxy: 'haproxy',
  nginx: 'nginx',
  openssl: 'openssl',
  pebble: 'pebble',
  podman: 'podman',
  prometheus: 'prometheus',
  radosgw: 'radosgw',
  'redis-server': 'redis-server',
  skopeo: 'skopeo',
  wrk: 'wrk',
} as const

export type Package = keyof typeof PROGRAM_OF_PACKAGE
const ALL_PACKAGES = Object.keys(PROGRAM_OF_PACKAGE) as Package[]

/** Set by the test command: a file that collects one line per skipped suite, printed when the run is over. */
export const SKIPPED_SUITES_VARIABLE = 'ENTREPOT_SKIPPED_SUITES'
const INSTALL_TIMEOUT_MS = 280_000

/** Where Debian puts programs comes first, so that a newer program of the machine's own does not change a test. */
const PROGRAM_FOLDERS = ['/usr/bin', '/usr/sbin', '/bin', '/sbin', '/usr/local/bin', '/usr/local/sbin']

/** The absolute path of an installed program. Throws when there is none. */
export function programPath(program: string): string {
  const path = findProgram(program)
  if (path === undefined) throw new Error(`the program ${program} is not installed`)
  return path
}

function findProgram(program: string): string | undefined {
  return PROGRAM_FOLDERS.map((folder) => join(folder, program)).find((path) => existsSync(path))
}

/**
 * Installs what is missing of `packages`, in one call of apt-get; packages already there cost nothing.
 * `undefined`: all are there. A string: why not. Never throws for a machine that cannot install.
 */
export async function ensurePackages(packages: readonly Package[] = ALL_PACKAGES): Promise<string | undefined> {
  const missing = missingOf(packages)
  if (missing.length === 0) return undefined
  const isRoot = process.getuid?.() === 0
  const needed = isRoot ? ['apt-get'] : ['apt-get', 'sudo']
  const absent = needed.filter((program) => findProgram(program) === undefined)
  if (absent.length > 0) return `${missing.join(', ')} not installed, and no ${absent.join(', ')} here to install with`
  const [command = 'sudo', ...args] = [...(isRoot ? [] : ['sudo', '-n']), 'sh', '-c', INSTALL_SCRIPT, 'install', lockFile(), ...missing]
  try {
    await execFileAsync(command, args, { timeout: INSTALL_TIMEOUT_MS, maxBuffer: 64 * 1024 * 1024 })
  } catch (error) {
    return `apt-get could not install ${missing.join(', ')}: ${lastWords(error)}`
  }
  const stillMissing = missingOf(missing)
  return stillMissing.length === 0 ? undefined : `${stillMissing.join(', ')} installed, but without the program that the tests need`
}

function missingOf(packages: readonly Package[]): Package[] {
  return packages.filter((name) => findProgram(PROGRAM_OF_PACKAGE[name]) === undefined)
}

function lastWords(error: unknown): string {
  const output = error instanceof Error && 'stderr' in error ? String(error.stderr).trim() : ''
  return (output === '' ? String(error) : output).split('\n').slice(-3).join(' ')
}

/**
 * The options of a suite that needs `packages`: `describe(name, await needsPackages(name, [...]), ...)`.
 * Where they cannot be had the suite is skipped and named at the end of the run; under CI=true that is an error instead,
 * because a pipeline that silently tests less is worse than a red one.
 */
export async function needsPackages(suite: string, packages: readonly Package[]): Promise<{ skip?: string }> {
  return skippedBecause(suite, await ensurePackages(packages))
}

/** As `needsPackages`, for suites whose servers must run as root (dockerd, containerd). */
export async function needsRootAndPackages(suite: string, packages: readonly Package[]): Promise<{ skip?: string }> {
  if (process.getuid?.() !== 0) return skippedBecause(suite, 'must run as root')
  return needsPackages(suite, packages)
}

/** As `needsRootAndPackages`, and a machine that lets us make network namespaces. */
export async function needsNamespacesAndPackages(suite: string, packages: readonly Package[]): Promise<{ skip?: string }> {
  const required = await needsRootAndPackages(suite, packages)
  if (required.skip !== undefined) return required
  try {
    const name = `ent-probe-${process.pid}`
    await execFileAsync('ip', ['netns', 'add', name])
    await execFileAsync('ip', ['netns', 'delete', name])
    return required
  } catch (error) {
    return skippedBecause(suite, `this machine has no network namespaces: ${String(error)}`)
  }
}

function skippedBecause(suite: string, reason: string | undefined): { skip?: string } {
  if (reason === undefined) return {}
  if (process.env['CI'] === 'true') throw new Error(`suite ${suite} cannot run: ${reason}`)
  const line = `SKIPPED suite: ${suite}: ${reason}\n`
  const file = process.env[SKIPPED_SUITES_VARIABLE]
  if (file === undefined) process.stderr.write(line)
  else appendFileSync(file, line)
  return { skip: reason }
}

/** One lock for the machine, writable by whoever runs the tests: two runs at once must not both install. */
function lockFile(): string {
  try {
    accessSync('/run/lock', constants.W_OK)
    return '/run/lock/entrepot-test-packages.lock'
  } catch {
    return join(tmpdir(), 'entrepot-test-packages.lock')
  }
}

/**
 * $1 is the lock, the rest are packages. policy-rc.d answers 101, "forbidden by policy", when a package asks to start its
 * service: tests start their own servers, on their own ports. One that the machine already has is left alone.
 * The lists are fetched only when the first try fails: they may be fresh, and fetching needs seconds.
 */
const INSTALL_SCRIPT = String.raw`
set -e
exec 9>>"$1"; shift
flock 9
export DEBIAN_FRONTEND=noninteractive
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' > "$policy"
  chmod 755 "$policy"
  trap 'rm -f "$policy"' EXIT
fi
install() {
  apt-get install -y -q --no-install-recommends -o DPkg::Lock::Timeout=120 -o Dpkg::Options::=--force-confold "$@" 9>&-
}
install "$@" || { apt-get update -q && install "$@"; }
`
