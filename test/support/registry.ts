// Starts entrepot in this process, on a free port of 127.0.0.1, with a store of its own that goes when it is closed.
import './names.ts'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { compose } from '../../src/compose.ts'
import { loadConfig } from '../../src/config/load.ts'
import { type Clock, systemClock } from '../../src/lib/clock.ts'
import { createLog } from '../../src/telemetry/log.ts'

export interface StartOptions {
  /** Base URL of the registry to mirror; `undefined`: a registry of its own. */
  readonly upstream?: string
  /** Further keys of `proxy`. */
  readonly proxy?: Readonly<Record<string, unknown>>
  /** Further top-level sections. */
  readonly config?: Readonly<Record<string, unknown>>
  /** The store's folder; it stays then. A new one is made, and removed at the end, when not given. */
  readonly folder?: string
  /** Environment variables that the configuration sees. */
  readonly env?: Readonly<Record<string, string>>
  readonly clock?: Clock
}

export interface Registry extends AsyncDisposable {
  readonly url: string
  readonly port: number
  /** Of the debug address; with `http.debug.addr` only. */
  readonly debugUrl: string
  readonly folder: string
  /** Lines of the application's log so far. */
  readonly log: readonly string[]
  /** Of the access log, as far as it is flushed. */
  readonly accessLog: readonly string[]
}

export async function startRegistry(options: StartOptions = {}): Promise<Registry> {
  if (options.folder !== undefined) return start(options.folder, options)
  await using building = new AsyncDisposableStack()
  const folder = await mkdtemp(join(tmpdir(), 'entrepot-test-'))
  building.defer(() => rm(folder, { recursive: true, force: true }))
  const registry = building.use(await start(folder, options))
  const running = building.move()
  return { ...registry, [Symbol.asyncDispose]: () => running.disposeAsync() }
}

/** The folder stays when the registry is closed. */
async function start(folder: string, options: StartOptions): Promise<Registry> {
  const document = {
    version: 0.1,
    storage: { filesystem: { rootdirectory: folder }, cache: { blobdescriptor: 'inmemory' } },
    http: { addr: '127.0.0.1:0' },
    ...(options.upstream === undefined ? {} : { proxy: { remoteurl: options.upstream, ...options.proxy } }),
    ...options.config,
  }
  const { config } = loadConfig({ text: JSON.stringify(document), file: 'test.yml', env: options.env ?? {} })
  const lines: string[] = []
  const accessLines: string[] = []
  const log = createLog({ level: 'debug', formatter: 'text', fields: {}, destination: { write: (line) => lines.push(line) } })
  const running = await compose(config, {
    log,
    clock: options.clock ?? systemClock,
    userAgent: 'entrepot/test',
    accessLog: { write: (text) => accessLines.push(text) },
  })
  const { port } = running.server
  if (port === undefined) throw new Error('the test server listens on a socket')
  return {
    url: `${config.http.tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`,
    port,
    debugUrl: `http://127.0.0.1:${running.debug?.port}`,
    folder,
    log: lines,
    accessLog: accessLines,
    [Symbol.asyncDispose]: () => running[Symbol.asyncDispose](),
  }
}
