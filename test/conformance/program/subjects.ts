// The two configurations in which entrepot stands before the conformance program: what config/registry.yml and config/mirror.yml say, the
// latter with repositories of its own. Nothing is changed in them but folder, port, upstream, and what the mirror has as its own.
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parse } from 'yaml'
import { startHub } from '../../support/hub/hub.ts'
import { startRegistry } from '../../support/registry.ts'
import { Client } from './client.ts'

export interface Subject extends AsyncDisposable {
  readonly client: Client
}

type Section = Readonly<Record<string, unknown>>

/** The first two repositories are those of the program's defaults. */
export const repository = 'conformance/repo1'
export const otherRepository = 'conformance/repo2'

export const subjects: Readonly<Record<string, () => Promise<Subject>>> = {
  'a registry': () => start('registry.yml'),
  'a mirror with repositories of its own': () => start('mirror.yml'),
}

async function start(file: string): Promise<Subject> {
  await using building = new AsyncDisposableStack()
  const folder = await mkdtemp(join(tmpdir(), 'entrepot-conformance-'))
  building.defer(() => rm(folder, { recursive: true, force: true }))
  const text = await readFile(new URL(`../../../config/${file}`, import.meta.url), 'utf8')
  const document = parse(text) as Record<'storage' | 'http', Section> & { readonly proxy?: Section }
  const proxy = await proxyOf(building, document.proxy)
  const config = {
    ...document,
    storage: { ...document.storage, filesystem: { rootdirectory: folder }, delete: { enabled: true } },
    http: { ...document.http, addr: '127.0.0.1:0' },
    ...(proxy === undefined ? {} : { proxy }),
  }
  const registry = building.use(await startRegistry({ folder, config }))
  const client = building.use(new Client(registry.url))
  const parts = building.move()
  return { client, [Symbol.asyncDispose]: () => parts.disposeAsync() }
}

async function proxyOf(building: AsyncDisposableStack, proxy: Section | undefined): Promise<Section | undefined> {
  if (proxy === undefined) return undefined
  const hub = building.use(await startHub())
  return { ...proxy, remoteurl: hub.url, local: ['conformance/**'] }
}
