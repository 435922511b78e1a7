// A network namespace that is joined to this machine by one cable, which can be pulled: for partitions. And a relay, because the stand-in Hub
// and Redis listen on loopback, of which each namespace has its own.
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { pathToFileURL } from 'node:url'
import { runProgram } from './program.ts'

export interface Namespace extends AsyncDisposable {
  readonly name: string
  /** Of this machine, as it is seen from there. */
  readonly outside: string
  /** Of the namespace, as it is seen from here. */
  readonly inside: string
  /** Packets vanish, in both directions; connections are not told. */
  cut(): Promise<void>
  mend(): Promise<void>
}

const ip = (...args: readonly string[]) => runProgram('ip', args)

/** Needs root. `subnet`: the first three numbers of addresses that nobody else has here. */
export async function openNamespace(subnet: string): Promise<Namespace> {
  await using building = new AsyncDisposableStack()
  const name = `ent-${process.pid}`
  const [here, there] = [`eh${process.pid}`, `et${process.pid}`]
  const [outside, inside] = [`${subnet}.1`, `${subnet}.2`]
  await ip('netns', 'add', name)
  // Its end of the cable goes with it, and ours with that.
  building.defer(async () => void (await ip('netns', 'delete', name)))
  await ip('link', 'add', here, 'type', 'veth', 'peer', 'name', there, 'netns', name)
  await ip('address', 'add', `${outside}/30`, 'dev', here)
  await ip('link', 'set', here, 'up')
  for (const device of ['lo', there]) await ip('-n', name, 'link', 'set', device, 'up')
  await ip('-n', name, 'address', 'add', `${inside}/30`, 'dev', there)
  const running = building.move()
  return {
    name,
    outside,
    inside,
    cut: async () => void (await ip('-n', name, 'link', 'set', there, 'down')),
    mend: async () => void (await ip('-n', name, 'link', 'set', there, 'up')),
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  }
}

/** Passes connections at `from` on to the same port at `to`. */
export async function relay(from: string, to: string, port: number): Promise<AsyncDisposable> {
  const server = createServer((client) => {
    const target = connect(port, to)
    for (const [one, other] of [
      [client, target],
      [target, client],
    ] as const) {
      one.on('error', () => other.destroy())
      one.on('data', (chunk) => {
        if (other.write(chunk)) return
        one.pause()
        other.once('drain', () => one.resume())
      })
      one.on('end', () => other.end())
      one.on('close', () => other.destroy())
    }
  })
  server.listen(port, from)
  await once(server, 'listening')
  return {
    async [Symbol.asyncDispose]() {
      server.close()
    },
  }
}

// As a program, inside of a namespace: `network.ts FROM TO PORT…`.
if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const [from = '', to = '', ...ports] = process.argv.slice(2)
  await Promise.all(ports.map((port) => relay(from, to, Number(port))))
  process.stdout.write('relays\n')
}
