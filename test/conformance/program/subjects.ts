// The configurations in which entrepot stands before the conformance program: what config/registry.yml and config/mirror.yml say, the latter
// with repositories of its own, with nothing changed but folder, port, upstream and deletes; and what differs most from these for a client.
import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parse } from 'yaml'
import { createAuthority } from '../../support/authority.ts'
import { startHub } from '../../support/hub/hub.ts'
import { startRegistry } from '../../support/registry.ts'
import { openHttp2 } from '../../tls/asking.ts'
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
  'a registry in memory, over HTTP/2 with TLS, with relative addresses': startOverTls,
}

type Document = Record<'storage' | 'http', Section> & { readonly proxy?: Section }

async function read(file: string): Promise<Document> {
  return parse(await readFile(new URL(`../../../config/${file}`, import.meta.url), 'utf8')) as Document
}

async function start(file: string): Promise<Subject> {
  await using building = new AsyncDisposableStack()
  const folder = await mkdtemp(join(tmpdir(), 'entrepot-conformance-'))
  building.defer(() => rm(folder, { recursive: true, force: true }))
  const document = await read(file)
  const proxy = await proxyOf(building, document.proxy)
  const config = {
    ...document,
    storage: { ...document.storage, filesystem: { rootdirectory: folder }, delete: { enabled: true } },
    http: { ...document.http, addr: '127.0.0.1:0' },
    ...(proxy === undefined ? {} : { proxy }),
  }
  const registry = building.use(await startRegistry({ folder, config }))
  return subjectOf(building, new Client(registry.url))
}

async function startOverTls(): Promise<Subject> {
  await using building = new AsyncDisposableStack()
  const authority = building.use(await createAuthority())
  const { certificateFile: certificate, keyFile: key } = await authority.issue('registry')
  const document = await read('registry.yml')
  const config = {
    ...document,
    storage: { inmemory: {}, delete: { enabled: true } },
    http: { ...document.http, addr: '127.0.0.1:0', relativeurls: true, tls: { certificate, key } },
  }
  const registry = building.use(await startRegistry({ config }))
  return subjectOf(building, new Client(registry.url, building.use(await openHttp2(registry.url, { ca: authority.ca }))))
}

function subjectOf(building: AsyncDisposableStack, client: Client): Subject {
  building.use(client)
  const parts = building.move()
  return { client, [Symbol.asyncDispose]: () => parts.disposeAsync() }
}

async function proxyOf(building: AsyncDisposableStack, proxy: Section | undefined): Promise<Section | undefined> {
  if (proxy === undefined) return undefined
  const hub = building.use(await startHub())
  // What is ours is no business of upstream, and must work while that is away.
  building.defer(() => assert.deepEqual(hub.ledger, [], hub.describeLedger()))
  return { ...proxy, remoteurl: hub.url, local: ['conformance/**'] }
}
