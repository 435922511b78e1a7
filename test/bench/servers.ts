// The mirror as users start it, and the servers that it is compared with: Debian's docker-registry and nginx on the same files.
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { programPath } from '../support/packages.ts'
import { freePort } from '../support/free-port.ts'
import { type ServerProcess, startServerProcess } from './server-process.ts'

const root = join(import.meta.dirname, '../..')

/** `folder` is for configuration and log; content is kept in its subfolder `data`. */
export function startMirror(folder: string, upstream: string, more: object = {}): Promise<ServerProcess> {
  return startOurs(folder, 'mirror', { ...mirroring(upstream), ...more })
}

/** A mirror beside another one on the same files, with nobody who looks at it: no access log, no counters, no notes of what is used. */
export function startUnobservedMirror(folder: string, upstream: string): Promise<ServerProcess> {
  const document = { ...mirroring(upstream), log: { accesslog: { disabled: true } } }
  return startOurs(folder, 'unobserved', document, ['--import', join(root, 'test/bench/without-usage.ts')])
}

// `libraryprefix` as for the real Hub, which the mirror recognises by its name.
const mirroring = (upstream: string) => ({ proxy: { remoteurl: upstream, libraryprefix: true } })

/** A registry of its own: nothing is mirrored. `more` are further keys of its configuration. */
export function startOwnRegistry(folder: string, more: object = {}): Promise<ServerProcess> {
  return startOurs(folder, 'registry', more)
}

async function startOurs(folder: string, name: string, more: object, options: readonly string[] = []): Promise<ServerProcess> {
  const file = join(folder, `${name}.yml`)
  const storage = { filesystem: { rootdirectory: join(folder, 'data') }, cache: { blobdescriptor: 'inmemory' } }
  await writeFile(file, stringify({ version: 0.1, storage, http: { addr: '127.0.0.1:0', secret: 'bench' }, ...more }))
  return startServerProcess({
    folder,
    name,
    command: process.execPath,
    args: ['--import', join(root, 'test/support/names.ts'), ...options, ...profiling(), join(root, 'src/cli/launcher.mjs'), 'serve', file],
    // Where the launcher has it; this way the names of the stand-in Hub need no compiler either, which users do not have.
    env: { NODE_COMPILE_CACHE: join(root, 'node_modules/.cache/entrepot') },
    ready: /entrepot listens on 127\.0\.0\.1:(\d+)/,
  })
}

/** ENTREPOT_BENCH_PROFILE names a folder: the mirror leaves a CPU profile there when it ends. */
function profiling(): string[] {
  const folder = process.env['ENTREPOT_BENCH_PROFILE']
  return folder === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${folder}`]
}

/** Serves what lies in `folder`/data, with the settings that it comes with. `more` are further keys of its configuration. */
export async function startDockerRegistry(folder: string, more: object = {}): Promise<ServerProcess> {
  const file = join(folder, 'docker-registry.yml')
  const storage = { filesystem: { rootdirectory: join(folder, 'data') }, cache: { blobdescriptor: 'inmemory' } }
  await writeFile(file, stringify({ version: 0.1, storage, http: { addr: '127.0.0.1:0', secret: 'bench' }, ...more }))
  return startServerProcess({
    folder,
    name: 'docker-registry',
    command: programPath('docker-registry'),
    args: ['serve', file],
    ready: /listening on 127\.0\.0\.1:(\d+)/,
    // Its AWS SDK panics at a bundle that it can't read.
    env: { OTEL_TRACES_EXPORTER: 'none', AWS_CA_BUNDLE: '' },
  })
}

/** Plain files below `folder`/data by sendfile(2): about what the machine can do. With `tls` over TLS. */
export async function startNginx(
  folder: string,
  tls?: { readonly certificateFile: string; readonly keyFile: string },
): Promise<ServerProcess> {
  const port = await freePort()
  const place = join(folder, 'nginx')
  await mkdir(place)
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${place}/${name};`)
  const listen = tls === undefined ? `${port};` : `${port} ssl; ssl_certificate ${tls.certificateFile}; ssl_certificate_key ${tls.keyFile};`
  const lines = [
    ...(process.getuid?.() === 0 ? ['user root;'] : []),
    'daemon off; worker_processes 1;',
    `pid ${place}/pid; error_log ${place}/error.log notice;`,
    'events { worker_connections 512; }',
    `http { sendfile on; tcp_nopush on; keepalive_requests 1000000; access_log ${place}/access.log; ${temporary.join(' ')}`,
    `server { listen 127.0.0.1:${listen} root ${join(folder, 'data')}; } }`,
  ]
  await writeFile(join(place, 'nginx.conf'), lines.join('\n'))
  const args = ['-c', join(place, 'nginx.conf'), '-e', 'stderr', '-g', 'error_log stderr notice;']
  const server = await startServerProcess({
    folder,
    name: 'nginx',
    command: programPath('nginx'),
    args,
    ready: /start worker process (\d+)/,
  })
  return { ...server, port }
}
