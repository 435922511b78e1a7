// Debian's docker-registry (distribution 2.8): the independent upstream, and the reference that ours is compared with.
// Its access log is the ledger of what was asked of it.
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { programPath } from '../packages.ts'
import { freePort } from '../free-port.ts'
import { serverFolder, startServerProcess } from './process.ts'
import type { TokenServer } from './token-server.ts'

export interface DockerRegistryOptions {
  /** Makes it a pull-through cache. */
  proxy?: { remoteUrl: string; username?: string; password?: string }
  auth?: { token: Pick<TokenServer, 'url' | 'service' | 'issuer' | 'certificateFile'> } | { htpasswdFile: string }
  /** Default: a folder of its own, removed with it. */
  storageFolder?: string
  /** Further keys of `storage`; with `s3`, that in place of a folder. */
  storage?: Readonly<Record<string, unknown>>
  /** Default: any free one. */
  port?: number
  /** With a debug address that has metrics. */
  debug?: boolean
  /** Further top-level sections. */
  config?: Readonly<Record<string, unknown>>
}

export interface LoggedRequest {
  readonly method: string
  /** With its query. */
  readonly path: string
  readonly status: number
  readonly bytesSent: number
}

export interface DockerRegistry extends AsyncDisposable {
  readonly url: string
  /** host:port */
  readonly host: string
  readonly port: number
  /** With `debug` only. */
  readonly debugUrl: string
  /** All requests answered so far, from its access log. */
  requests(): Promise<LoggedRequest[]>
  log(): string
}

export async function startDockerRegistry(options: DockerRegistryOptions = {}): Promise<DockerRegistry> {
  const folder = await serverFolder('registry')
  const configuration = join(folder, 'config.yml')
  const debugAddress = options.debug === true ? `127.0.0.1:${await freePort()}` : undefined
  await writeFile(configuration, stringify(settings(options, options.storageFolder ?? join(folder, 'data'), debugAddress)))
  const server = await startServerProcess({
    folder,
    command: programPath('docker-registry'),
    args: ['serve', configuration],
    ready: /listening on 127\.0\.0\.1:(\d+)/,
    // Its AWS SDK panics at a bundle that it can't read.
    env: { OTEL_TRACES_EXPORTER: 'none', AWS_CA_BUNDLE: '' },
  })
  let markers = 0
  const host = `127.0.0.1:${server.ready[1]}`
  return {
    url: `http://${host}`,
    host,
    port: Number(server.ready[1]),
    debugUrl: `http://${debugAddress}`,
    requests: async () => {
      // A line is written after its answer was sent. A question of our own, logged last, tells that the others are there.
      const marker = `/v2/ledger-marker-${++markers}`
      await (await fetch(`http://${host}${marker}`)).arrayBuffer()
      await server.waitForOutput(new RegExp(`"GET ${marker} `))
      return loggedRequests(server.stdout()).filter((request) => !request.path.startsWith('/v2/ledger-marker-'))
    },
    log: () => server.stdout() + server.stderr(),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  }
}

function settings(options: DockerRegistryOptions, storageFolder: string, debugAddress: string | undefined): object {
  const debug = debugAddress === undefined ? {} : { debug: { addr: debugAddress, prometheus: { enabled: true } } }
  return {
    version: 0.1,
    log: { level: 'info', formatter: 'json' },
    storage: {
      ...(options.storage?.['s3'] === undefined ? { filesystem: { rootdirectory: storageFolder } } : {}),
      delete: { enabled: true },
      ...options.storage,
    },
    http: { addr: `127.0.0.1:${options.port ?? 0}`, secret: 'test', ...debug },
    ...options.config,
    ...(options.auth === undefined ? {} : { auth: authSettings(options.auth) }),
    ...(options.proxy === undefined ? {} : { proxy: { ...options.proxy, remoteUrl: undefined, remoteurl: options.proxy.remoteUrl } }),
  }
}

function authSettings(auth: NonNullable<DockerRegistryOptions['auth']>): object {
  if ('htpasswdFile' in auth) return { htpasswd: { realm: 'test', path: auth.htpasswdFile } }
  const { url, service, issuer, certificateFile } = auth.token
  return { token: { realm: url, service, issuer, rootcertbundle: certificateFile } }
}

/** Apache's combined format: `127.0.0.1 - - [date] "GET /v2/ HTTP/1.1" 200 2 "referrer" "user agent"`. */
function loggedRequests(log: string): LoggedRequest[] {
  const lines = log.matchAll(/^\S+ - \S+ \[[^\]]*\] "([A-Z]+) (\S+) [^"]*" (\d{3}) (\d+|-)/gm)
  return Array.from(lines, ([, method = '', path = '', status, bytes]) => ({
    method,
    path,
    status: Number(status),
    bytesSent: bytes === '-' ? 0 : Number(bytes),
  }))
}
