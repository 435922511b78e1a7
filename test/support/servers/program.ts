// Runs one command-line client to its end. A client that fails tells why on stderr, so that text is part of the error.
import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import { programPath } from '../packages.ts'

const RUN_TIMEOUT_MS = 120_000

export interface Finished {
  stdout: string
  stderr: string
}

export interface RunOptions {
  env?: Readonly<Record<string, string>>
  cwd?: string
  timeoutMs?: number
}

/** Throws when the program can't be started, ends with another code than 0, or takes longer than its time. */
export async function runProgram(program: string, args: readonly string[], options: RunOptions = {}): Promise<Finished> {
  const child = spawn(programPath(program), args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...options.env },
    cwd: options.cwd,
    timeout: options.timeoutMs ?? RUN_TIMEOUT_MS,
  })
  const ended = new Promise<string>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => resolve(code === 0 ? '' : `ended with ${code ?? signal}`))
  })
  const [complaint, stdout, stderr] = await Promise.all([ended, text(child.stdout), text(child.stderr)])
  if (complaint !== '') throw new Error(`${program} ${args.join(' ')} ${complaint}:\n${stderr}\n${stdout}`)
  return { stdout, stderr }
}
