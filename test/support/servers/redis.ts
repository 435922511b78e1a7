// A real Redis on a free port of 127.0.0.1, with nothing on disk, that a test may stop, kill and start again where it was.
import { createConnection } from 'node:net'
import { freePort } from '../free-port.ts'
import { programPath } from '../packages.ts'
import { type ServerProcess, serverFolder, startServerProcess } from './process.ts'

export interface RedisServer extends AsyncDisposable {
  readonly port: number
  /** host:port */
  readonly addr: string
  /** Stops answering, with its connections open, until `resume`. */
  pause(): void
  resume(): void
  /** By SIGKILL; what it knew is gone. */
  kill(): Promise<void>
  /** After `kill`, on the same port. */
  restart(): Promise<void>
  /** One command by a connection of its own; the reply as redis-cli would print it without a terminal. */
  cli(...args: readonly string[]): Promise<string>
}

/** `args` are further options of redis-server. */
export async function startRedis(args: readonly string[] = [], givenPort?: number): Promise<RedisServer> {
  const port = givenPort ?? (await freePort())
  let server: ServerProcess | undefined = await start(port, args)
  const signal = (name: NodeJS.Signals) => {
    if (server !== undefined) process.kill(server.pid, name)
  }
  const kill = async () => {
    const running = server
    server = undefined
    if (running === undefined) return
    process.kill(running.pid, 'SIGKILL')
    await running[Symbol.asyncDispose]()
  }
  return {
    port,
    addr: `127.0.0.1:${port}`,
    pause: () => signal('SIGSTOP'),
    resume: () => signal('SIGCONT'),
    kill,
    async restart() {
      server = await start(port, args)
    },
    cli: (...command) => askRedis(port, command),
    [Symbol.asyncDispose]: kill,
  }
}

async function start(port: number, args: readonly string[]): Promise<ServerProcess> {
  const folder = await serverFolder('redis')
  return startServerProcess({
    folder,
    command: programPath('redis-server'),
    args: ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', '', '--appendonly', 'no', ...args],
    ready: /Ready to accept connections/,
  })
}

/** As lines: an array's elements one by one, `(nil)` as an empty line. */
export async function askRedis(port: number, command: readonly string[]): Promise<string> {
  const socket = createConnection({ port, host: '127.0.0.1' })
  socket.setEncoding('latin1')
  const words = [...command]
  socket.write(`*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join('')}`)
  try {
    let text = ''
    for await (const chunk of socket) {
      text += String(chunk)
      const reply = parseReply(text)
      if (reply !== undefined) return reply.lines.join('\n')
    }
    throw new Error(`Redis left while it was asked ${command.join(' ')}`)
  } finally {
    socket.destroy()
  }
}

interface Reply {
  readonly lines: readonly string[]
  /** Where the next reply begins. */
  readonly end: number
}

/** `undefined`: it is not whole yet. */
function parseReply(text: string, from = 0): Reply | undefined {
  const eol = text.indexOf('\r\n', from)
  if (eol < 0) return undefined
  const [kind, value] = [text[from], text.slice(from + 1, eol)]
  const next = eol + 2
  if (kind === '$') {
    const length = Number(value)
    if (length < 0) return { lines: [''], end: next }
    return text.length < next + length + 2 ? undefined : { lines: [text.slice(next, next + length)], end: next + length + 2 }
  }
  if (kind !== '*') return { lines: [value], end: next }
  const lines: string[] = []
  let end = next
  for (let count = Number(value); count > 0; count -= 1) {
    const element = parseReply(text, end)
    if (element === undefined) return undefined
    lines.push(...element.lines)
    end = element.end
  }
  return { lines, end }
}
