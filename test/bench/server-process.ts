// A server under measurement: a process of its own whose output goes to a file, as it would in production. A pipe to the
// benchmark would make the benchmark's own process part of what is measured, and of who competes for the cores.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, rmSync } from 'node:fs'
import { mkdtemp, open, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const readyTimeoutMs = 30_000
const stopTimeoutMs = 20_000
/** Ends the server when the benchmark dies in whatever way. */
const deathSignal = ['/usr/bin/setpriv', '--pdeathsig', 'TERM', '--'] as const

export interface ServerProcess extends AsyncDisposable {
  readonly pid: number
  readonly port: number
}

export interface ServerCommand {
  readonly command: string
  readonly args: readonly string[]
  /** For its output; must stay until the server has ended. */
  readonly folder: string
  readonly name: string
  /** What its output has once it listens; the first group is the port. */
  readonly ready: RegExp
  readonly env?: Readonly<Record<string, string>>
}

/** A folder for one benchmark, removed at its end. */
export async function workFolder(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'entrepot-bench-'))
  // For Ctrl-C, too: it may hold gigabytes by then.
  const removeNow = () => rmSync(path, { recursive: true, force: true, maxRetries: 5 })
  process.once('exit', removeNow)
  return {
    path,
    async [Symbol.asyncDispose]() {
      process.off('exit', removeNow)
      await rm(path, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}

/** Throws with the server's output when it ends or stays silent. */
export async function startServerProcess(server: ServerCommand): Promise<ServerProcess> {
  const output = join(server.folder, `${server.name}.log`)
  const guard = existsSync(deathSignal[0]) ? deathSignal : []
  const [command = server.command, ...args] = [...guard, server.command, ...server.args]
  await using file = await open(output, 'w')
  const child = spawn(command, args, { cwd: server.folder, stdio: ['ignore', file.fd, file.fd], env: { ...process.env, ...server.env } })
  await once(child, 'spawn')
  try {
    const port = Number((await readyLine(child, output, server.ready))[1])
    return { pid: child.pid ?? 0, port, [Symbol.asyncDispose]: () => end(child) }
  } catch (error) {
    await end(child)
    throw error
  }
}

async function readyLine(child: ChildProcess, output: string, ready: RegExp): Promise<RegExpExecArray> {
  const giveUpAt = performance.now() + readyTimeoutMs
  for (;;) {
    const text = await readFile(output, 'utf8')
    const match = ready.exec(text)
    if (match !== null) return match
    if (child.exitCode !== null || performance.now() > giveUpAt) throw new Error(`${child.spawnargs.join(' ')} did not get ready:\n${text}`)
    await sleep(20)
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  const kill = setTimeout(() => child.kill('SIGKILL'), stopTimeoutMs)
  child.kill('SIGTERM')
  await ended
  clearTimeout(kill)
}
