// A server of somebody else as a plain child process: started, waited for by what it logs, and ended without leftovers.
// Real servers bring children, mounts and sockets of their own; a test that forgets them breaks the next one.
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const execFileAsync = promisify(execFile)
const READY_TIMEOUT_MS = 30_000
const STOP_TIMEOUT_MS = 20_000
/** Kills the server when this process dies in whatever way, also by SIGKILL: no test run leaves a daemon behind. */
const DEATH_SIGNAL = ['/usr/bin/setpriv', '--pdeathsig', 'TERM', '--'] as const

export interface ServerProcess extends AsyncDisposable {
  readonly pid: number
  /** The folder that everything of this server lies in. It is removed on dispose. */
  readonly folder: string
  /** Where `ready` matched the output. */
  readonly ready: RegExpExecArray
  /** What it has written so far. */
  stdout(): string
  stderr(): string
  /** Resolves with the match once the output has it; throws with the output when the server ends or stays silent too long. */
  waitForOutput(pattern: RegExp, timeoutMs?: number): Promise<RegExpExecArray>
}

export interface ServerOptions {
  /** From `serverFolder`. */
  folder: string
  command: string
  args: readonly string[]
  /** The line that says that it can be used now. */
  ready: RegExp
  env?: Readonly<Record<string, string>>
}

/**
 * No proxy between a client and the mirror on this host, and a proxy that refuses everything for other hosts: a client
 * that falls back past the mirror fails, on every machine, so a pull that succeeds came through the mirror.
 */
export const NOWHERE_ELSE: Readonly<Record<string, string>> = Object.fromEntries(
  [
    ...['HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY'].map((name) => [name, 'http://127.0.0.1:1'] as const),
    ['NO_PROXY', '127.0.0.1,localhost'] as const,
  ].flatMap(([name, value]) => [
    [name, value],
    [name.toLowerCase(), value],
  ]),
)

/** A new folder for one server. Short, because Unix sockets below it have at most 108 bytes of path. */
export function serverFolder(name: string): Promise<string> {
  return mkdtemp(join(tmpdir(), `ent-${name}-`))
}

/** A server that does not get ready is ended and its folder removed before the error, which tells its output, goes on. */
export async function startServerProcess(options: ServerOptions): Promise<ServerProcess> {
  const guard = existsSync(DEATH_SIGNAL[0]) ? DEATH_SIGNAL : []
  const [command = options.command, ...args] = [...guard, options.command, ...options.args]
  const child = spawn(command, args, {
    cwd: options.folder,
    // Its own process group, so that the children it has are ended with it, and Ctrl-C in a terminal reaches us first.
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    // What a server in trouble writes down goes with its folder.
    env: { ...process.env, TMPDIR: options.folder, ...options.env },
  })
  await once(child, 'spawn')
  if (child.pid === undefined) throw new Error(`starting ${options.command} gave no process`)
  const log = new Log(child, options.command)
  const dispose = async () => {
    await endProcess(child)
    await removeServerFolder(options.folder)
  }
  const ready = await log.waitFor(options.ready, READY_TIMEOUT_MS).catch(async (error: unknown) => {
    await dispose()
    throw error
  })
  return {
    pid: child.pid,
    folder: options.folder,
    ready,
    stdout: () => log.stdout,
    stderr: () => log.stderr,
    waitForOutput: (pattern, timeoutMs = READY_TIMEOUT_MS) => log.waitFor(pattern, timeoutMs),
    [Symbol.asyncDispose]: dispose,
  }
}

class Log {
  stdout = ''
  stderr = ''
  readonly #child: ChildProcess
  readonly #command: string
  readonly #waiting = new Set<() => void>()

  constructor(child: ChildProcess, command: string) {
    this.#child = child
    this.#command = command
    for (const name of ['stdout', 'stderr'] as const) {
      child[name]?.setEncoding('utf8').on('data', (chunk: string) => {
        this[name] += chunk
        this.#look()
      })
    }
    child.once('close', () => this.#look())
  }

  waitFor(pattern: RegExp, timeoutMs: number): Promise<RegExpExecArray> {
    return new Promise((resolve, reject) => {
      const give = (match: RegExpExecArray | undefined, complaint: string) => {
        clearTimeout(timer)
        this.#waiting.delete(look)
        if (match !== undefined) resolve(match)
        else
          reject(
            new Error(
              `${this.#command} ${complaint} ${String(pattern)}. Its output:\n${this.stdout.slice(-4000)}\n${this.stderr.slice(-8000)}`,
            ),
          )
      }
      const look = () => {
        const match = pattern.exec(this.stdout) ?? pattern.exec(this.stderr)
        if (match !== null) give(match, '')
        else if (this.#child.exitCode !== null || this.#child.signalCode !== null) give(undefined, 'ended without')
      }
      const timer = setTimeout(() => give(undefined, `was silent for ${timeoutMs} ms about`), timeoutMs)
      this.#waiting.add(look)
      look()
    })
  }

  #look(): void {
    for (const look of this.#waiting) look()
  }
}

async function endProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return
  const closed = once(child, 'close')
  const kill = setTimeout(() => signalGroup(child.pid, 'SIGKILL'), STOP_TIMEOUT_MS)
  signalGroup(child.pid, 'SIGTERM')
  await closed
  clearTimeout(kill)
}

function signalGroup(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, signal)
  } catch (error) {
    if (!isCode(error, 'ESRCH')) throw error
  }
}

/** Ends whoever still names the folder in its command line (container shims do), unmounts what is mounted in it, removes it. */
export async function removeServerFolder(folder: string): Promise<void> {
  for (const pid of await processesNaming(folder)) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch (error) {
      if (!isCode(error, 'ESRCH')) throw error
    }
  }
  for (const mount of await mountsBelow(folder)) await execFileAsync('umount', ['-l', mount])
  await rm(folder, { recursive: true, force: true, maxRetries: 5 })
}

async function processesNaming(folder: string): Promise<number[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number)
  const found: number[] = []
  for (const pid of pids) {
    if (pid === process.pid) continue
    const commandLine = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
    if (commandLine.includes(`${folder}/`)) found.push(pid)
  }
  return found
}

/** Deepest first. */
async function mountsBelow(folder: string): Promise<string[]> {
  const lines = (await readFile('/proc/self/mounts', 'utf8')).split('\n')
  const points = lines.map((line) => line.split(' ')[1] ?? '').filter((point) => point.startsWith(`${folder}/`))
  return points.toSorted((a, b) => b.length - a.length)
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}
