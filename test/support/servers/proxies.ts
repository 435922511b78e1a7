// nginx, haproxy and Apache in front of a registry, with the very files of config/examples: only addresses and paths are put in.
import { once } from 'node:events'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { programPath } from '../packages.ts'
import { until } from '../until.ts'
import { freePort } from '../free-port.ts'
import { serverFolder, startServerProcess } from './process.ts'

const examples = join(import.meta.dirname, '../../../config/examples')

export interface ProxyOptions {
  /** A file of config/examples. */
  readonly example: string
  /** Text of the example → what stands there in the test. Each must be in it. The listening address is put in by itself. */
  readonly substitutions: Readonly<Record<string, string>>
}

export interface Proxy extends AsyncDisposable {
  readonly port: number
  /** `127.0.0.1:…`. */
  readonly host: string
  readonly pid: number
}

export async function startNginx({ example, substitutions }: ProxyOptions): Promise<Proxy> {
  const [folder, port] = [await serverFolder('nginx'), await freePort()]
  const listen = example === 'nginx-http.conf' || example === 'nginx-replicas.conf' ? 'listen 80;' : 'listen 443 ssl http2;'
  const text = await substituted(example, { [listen]: listen.replace(/\d+/, `127.0.0.1:${port}`), ...substitutions })
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${folder}/${name};`)
  const lines = [
    ...(process.getuid?.() === 0 ? ['user root;'] : []),
    `daemon off; worker_processes 1; pid ${folder}/pid;`,
    'events { worker_connections 1024; }',
    `http { keepalive_requests 1000000; access_log ${folder}/access.log; ${temporary.join(' ')}`,
    text,
    '}',
  ]
  const file = join(folder, 'nginx.conf')
  await writeFile(file, lines.join('\n'))
  const server = await startServerProcess({
    folder,
    command: programPath('nginx'),
    args: ['-c', file, '-e', 'stderr', '-g', 'error_log stderr notice;'],
    ready: /start worker process \d+/,
  })
  return { port, host: `127.0.0.1:${port}`, pid: server.pid, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() }
}

export async function startHaproxy({ example, substitutions }: ProxyOptions): Promise<Proxy> {
  const [folder, port] = [await serverFolder('haproxy'), await freePort()]
  const file = join(folder, 'haproxy.cfg')
  await writeFile(file, await substituted(example, { 'bind :80': `bind 127.0.0.1:${port}`, ...substitutions }))
  const args = ['-db', '-V', '-f', file]
  const server = await startServerProcess({ folder, command: programPath('haproxy'), args, ready: /as the polling mechanism/ })
  // It says so before it listens.
  await until('haproxy listens', () => takesConnections(port))
  return { port, host: `127.0.0.1:${port}`, pid: server.pid, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() }
}

async function takesConnections(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}

const apacheModules =
  'mpm_event socache_shmcb ssl proxy proxy_http headers authn_core authn_file authz_core authz_user authz_groupfile auth_basic'

export async function startApache({ example, substitutions }: ProxyOptions): Promise<Proxy> {
  const [folder, port] = [await serverFolder('apache'), await freePort()]
  const text = await substituted(example, { '<VirtualHost *:443>': `<VirtualHost 127.0.0.1:${port}>`, ...substitutions })
  await mkdir(join(folder, 'run'))
  const lines = [
    `ServerRoot ${folder}`,
    `ServerName 127.0.0.1`,
    `PidFile ${folder}/run/pid`,
    `DefaultRuntimeDir ${folder}/run`,
    `Listen 127.0.0.1:${port}`,
    'LogLevel info',
    'ErrorLog "|$cat >&2"',
    ...(process.getuid?.() === 0 ? ['User www-data', 'Group www-data'] : []),
    ...apacheModules.split(' ').map((name) => `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so`),
    text,
  ]
  const file = join(folder, 'apache.conf')
  await writeFile(file, lines.join('\n'))
  const server = await startServerProcess({
    folder,
    command: programPath('apache2'),
    args: ['-f', file, '-D', 'FOREGROUND'],
    ready: /resuming normal operations/,
  })
  return { port, host: `127.0.0.1:${port}`, pid: server.pid, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() }
}

async function substituted(example: string, substitutions: Readonly<Record<string, string>>): Promise<string> {
  let text = await readFile(join(examples, example), 'utf8')
  for (const [from, to] of Object.entries(substitutions)) {
    if (!text.includes(from)) throw new Error(`${example} has no ${from}`)
    text = text.replaceAll(from, to)
  }
  return text
}
