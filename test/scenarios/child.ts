// Our registry as a process of its own, as an operator runs it: it can be killed, stopped, and limited in what it may write.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'

const root = join(import.meta.dirname, '../..')
const readyWithinMs = 20_000

export interface ChildOptions {
  /** Holds the store, and the configuration file. */
  readonly folder: string
  readonly upstream: string
  /** Further top-level sections; they take the place of those that follow from the rest. */
  readonly config?: Readonly<Record<string, unknown>>
  readonly proxy?: Readonly<Record<string, unknown>>
  readonly http?: Readonly<Record<string, unknown>>
  /** A network namespace for it to run in, and its address there; this machine's loopback otherwise. */
  readonly network?: { readonly name: string; readonly inside: string }
  /** Further variables of its environment. */
  readonly env?: Readonly<Record<string, string>>
  /** The largest file that the process may write, in bytes. */
  readonly largestFileBytes?: number
}

export interface Child extends AsyncDisposable {
  readonly url: string
  readonly port: number
  readonly pid: number
  /** What it has logged so far. */
  log(): string
  /** Resolves with exit code and signal. */
  end(signal: NodeJS.Signals): Promise<readonly [number | null, NodeJS.Signals | null]>
}

/** Resolves when it listens. */
export async function startChild(options: ChildOptions): Promise<Child> {
  const file = join(options.folder, 'config.yml')
  const host = options.network?.inside ?? '127.0.0.1'
  const document = {
    version: 0.1,
    storage: { filesystem: { rootdirectory: join(options.folder, 'store') } },
    http: { addr: `${host}:0`, ...options.http },
    proxy: { remoteurl: options.upstream, ...options.proxy },
    ...options.config,
  }
  await writeFile(file, JSON.stringify(document))
  const node = [process.execPath, '--import', join(root, 'test/support/names.ts'), join(root, 'src/main.ts'), 'serve', file]
  const limit = options.largestFileBytes === undefined ? [] : ['prlimit', `--fsize=${options.largestFileBytes}`, '--']
  const inside = options.network === undefined ? [] : ['ip', 'netns', 'exec', options.network.name]
  const [command = '', ...args] = [...inside, ...limit, ...node]
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...options.env } })
  const closed = once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>
  let log = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    log += text
  })
  const end = (signal: NodeJS.Signals) => {
    child.kill(signal)
    return closed
  }
  const port = await portOf(child, closed, () => log)
  return {
    port,
    pid: child.pid ?? 0,
    url: `http://${host}:${port}`,
    log: () => log,
    end,
    async [Symbol.asyncDispose]() {
      await end('SIGKILL')
    },
  }
}

async function portOf(child: ChildProcess, closed: Promise<unknown>, log: () => string): Promise<number> {
  let printed = ''
  const { promise, resolve } = Promise.withResolvers<number>()
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    printed += text
    const port = /listens on [\d.]+:(\d+)/.exec(printed)?.[1]
    if (port !== undefined) resolve(Number(port))
  })
  const timer = setTimeout(() => child.kill('SIGKILL'), readyWithinMs)
  const port = await Promise.race([promise, closed.then(() => undefined)])
  clearTimeout(timer)
  if (port === undefined) throw new Error(`the registry did not start:\n${printed}\n${log()}`)
  return port
}
