// A stand-in for Azure's Blob service: what the driver asks of it, by the REST API's documentation. No emulator is to be had here, so
// this can't tell whether the documentation is right. It checks the signatures of addresses, and no other.
import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'

export const account = 'devaccount'
export const accountKey = Buffer.from('a key of the account').toString('base64')

interface StoredBlob {
  readonly kind: 'BlockBlob' | 'AppendBlob'
  readonly bytes: Buffer
  readonly metadata: Readonly<Record<string, string>>
  readonly etag: string
  readonly modifiedAt: Date
  readonly isCopy: boolean
}

export interface AzureStub extends AsyncDisposable {
  /** With the account as the first part of the path. */
  readonly url: string
  readonly requests: { readonly method: string; readonly path: string; readonly query: URLSearchParams }[]
  readonly kinds: () => Record<string, string>
  /** While this is true, copies are on their way. */
  holdsCopies: boolean
  /** So many requests from now on are answered 503. */
  busy: number
  /** So many blocks are appended, and the answer is lost. */
  lostAnswers: number
  /** Called once, before the next delete is looked at. */
  beforeDelete: (() => Promise<unknown>) | undefined
}

interface Reply {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Buffer | string
}

const refusedAs = (status: number, code: string): Reply => ({
  status,
  headers: { 'x-ms-error-code': code, 'content-type': 'application/xml' },
  body: `<?xml version="1.0"?><Error><Code>${code}</Code><Message>No.</Message></Error>`,
})

export async function startAzureStub(container: string): Promise<AzureStub> {
  const service = new Service(container)
  const server = createServer((request, response) => {
    void service.answer(request).then((reply) => {
      if (reply === undefined) return response.destroy()
      const { status, headers, body = '' } = reply
      response.writeHead(status, { 'content-length': Buffer.byteLength(body), ...headers })
      return response.end(request.method === 'HEAD' ? undefined : body)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return Object.assign(service, {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/${account}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
    },
  })
}

class Service {
  readonly requests: AzureStub['requests'] = []
  holdsCopies = false
  busy = 0
  lostAnswers = 0
  beforeDelete: AzureStub['beforeDelete']
  readonly #container: string
  readonly #blobs = new Map<string, StoredBlob>()
  readonly #blocks = new Map<string, Buffer>()
  #changes = 0

  constructor(container: string) {
    this.#container = container
  }

  kinds = () => Object.fromEntries([...this.#blobs].map(([name, { kind }]) => [name, kind]))

  async answer(request: IncomingMessage): Promise<Reply | undefined> {
    const { pathname, searchParams: query } = new URL(request.url ?? '', 'http://stub')
    const method = request.method ?? ''
    this.requests.push({ method, path: pathname, query })
    const body = await buffer(request)
    if (this.busy > 0) {
      this.busy -= 1
      return refusedAs(503, 'ServerBusy')
    }
    const [, , container, ...rest] = decodeURIComponent(pathname).split('/')
    if (container !== this.#container) return refusedAs(404, 'ContainerNotFound')
    const name = rest.join('/')
    if (query.has('sig') && !isSigned(query, `/blob/${account}/${container}/${name}`)) return refusedAs(403, 'AuthenticationFailed')
    if (method === 'PUT') return this.#put(name, query, request, body)
    if (method === 'DELETE') return this.#delete(name, request)
    return query.get('comp') === 'list' ? this.#list(query) : this.#get(name, request)
  }

  #get(name: string, { method, headers }: IncomingMessage): Reply {
    const blob = this.#blobs.get(name)
    if (blob === undefined) return refusedAs(404, 'BlobNotFound')
    const metadata = Object.fromEntries(Object.entries(blob.metadata).map(([key, value]) => [`x-ms-meta-${key}`, value]))
    const facts = {
      ...this.#facts(blob),
      ...metadata,
      'x-ms-blob-type': blob.kind,
      ...(blob.isCopy ? this.#copyState() : {}),
    }
    const size = blob.bytes.length
    const [, start, end] = /^bytes=(\d+)-(\d*)$/.exec(String(headers['x-ms-range'] ?? headers.range ?? '')) ?? []
    if (method === 'HEAD' || start === undefined)
      return { status: 200, headers: { ...facts, 'content-length': String(size) }, body: blob.bytes }
    if (Number(start) >= size) return refusedAs(416, 'InvalidRange')
    const part = blob.bytes.subarray(Number(start), end === '' ? size : Number(end) + 1)
    const range = `bytes ${start}-${Number(start) + part.length - 1}/${size}`
    return { status: 206, headers: { ...facts, 'content-range': range }, body: part }
  }

  #put(name: string, query: URLSearchParams, { headers }: IncomingMessage, body: Buffer): Reply | undefined {
    const before = this.#blobs.get(name)
    const metadata = metadataOf(headers)
    const part = query.get('comp')
    if (part === 'appendblock') return this.#appendBlock(name, String(headers['x-ms-blob-condition-appendpos'] ?? ''), body)
    if (part === 'metadata') return this.#setMetadata(name, metadata)
    const source = headers['x-ms-copy-source']
    if (source !== undefined) return this.#copy(name, String(source), String(headers['x-ms-source-if-match'] ?? ''), metadata)
    if (headers['x-ms-blob-type'] === 'AppendBlob') return this.#keep(name, { kind: 'AppendBlob', bytes: body, metadata }, 201)
    if (before?.kind === 'AppendBlob') return refusedAs(409, 'InvalidBlobType')
    if (part === 'block') {
      this.#blocks.set(`${name} ${query.get('blockid')}`, body)
      return { status: 201 }
    }
    return this.#keep(name, { kind: 'BlockBlob', bytes: part === 'blocklist' ? this.#blockList(name, body) : body, metadata }, 201)
  }

  #setMetadata(name: string, metadata: StoredBlob['metadata']): Reply {
    const before = this.#blobs.get(name)
    return before === undefined ? refusedAs(404, 'BlobNotFound') : this.#keep(name, { ...before, metadata }, 200)
  }

  #blockList(name: string, list: Buffer): Buffer {
    const ids = [...list.toString().matchAll(/<Latest>([^<]+)<\/Latest>/g)].map(([, id]) => id)
    return Buffer.concat(ids.map((id) => this.#blocks.get(`${name} ${id}`) ?? Buffer.alloc(0)))
  }

  #appendBlock(name: string, position: string, body: Buffer): Reply | undefined {
    const before = this.#blobs.get(name)
    if (before === undefined) return refusedAs(404, 'BlobNotFound')
    if (before.kind !== 'AppendBlob') return refusedAs(409, 'InvalidBlobType')
    if (Number(position) !== before.bytes.length) return refusedAs(412, 'AppendPositionConditionNotMet')
    const reply = this.#keep(name, { ...before, bytes: Buffer.concat([before.bytes, body]) }, 201)
    if (this.lostAnswers === 0) return reply
    this.lostAnswers -= 1
    return undefined
  }

  #copy(name: string, source: string, ifMatch: string, metadata: StoredBlob['metadata']): Reply {
    const { pathname, searchParams } = new URL(source)
    const path = decodeURIComponent(pathname)
    const from = this.#blobs.get(path.split('/').slice(3).join('/'))
    if (!isSigned(searchParams, `/blob${path}`)) return refusedAs(403, 'CannotVerifyCopySource')
    if (from === undefined) return refusedAs(404, 'BlobNotFound')
    if (from.etag !== ifMatch) return refusedAs(412, 'SourceConditionNotMet')
    const target = this.#blobs.get(name)
    if (target !== undefined && target.kind !== from.kind) return refusedAs(409, 'InvalidBlobType')
    const reply = this.#keep(name, { ...from, metadata }, 202, true)
    return { ...reply, headers: { ...reply.headers, ...this.#copyState() } }
  }

  async #delete(name: string, { headers }: IncomingMessage): Promise<Reply> {
    const before = this.beforeDelete
    this.beforeDelete = undefined
    await before?.()
    const blob = this.#blobs.get(name)
    if (blob === undefined) return refusedAs(404, 'BlobNotFound')
    const ifMatch = headers['if-match']
    if (ifMatch !== undefined && ifMatch !== blob.etag) return refusedAs(412, 'ConditionNotMet')
    this.#blobs.delete(name)
    return { status: 202 }
  }

  #list(query: URLSearchParams): Reply {
    const prefix = query.get('prefix') ?? ''
    const delimiter = query.get('delimiter')
    const found = new Set<string>()
    for (const name of [...this.#blobs.keys()].filter((each) => each.startsWith(prefix)).toSorted((a, b) => (a < b ? -1 : 1))) {
      const end = delimiter === null ? -1 : name.indexOf(delimiter, prefix.length)
      found.add(end < 0 ? name : name.slice(0, end + 1))
    }
    // Pages of two, so that there are several.
    const all = [...found]
    const start = Number(query.get('marker') ?? 0)
    const page = all.slice(start, start + 2)
    const items = page.map((name) =>
      name.endsWith('/') ? `<BlobPrefix><Name>${name}</Name></BlobPrefix>` : `<Blob><Name>${name}</Name><Properties/></Blob>`,
    )
    const next = start + 2 < all.length ? String(start + 2) : ''
    const head = `<?xml version="1.0"?><EnumerationResults ContainerName="${this.#container}"><Prefix>${prefix}</Prefix>`
    const body = `${head}<Blobs>${items.join('')}</Blobs><NextMarker>${next}</NextMarker></EnumerationResults>`
    return { status: 200, headers: { 'content-type': 'application/xml' }, body }
  }

  #keep(name: string, { kind, bytes, metadata }: Pick<StoredBlob, 'kind' | 'bytes' | 'metadata'>, status: number, isCopy = false): Reply {
    this.#changes += 1
    const blob: StoredBlob = { kind, bytes, metadata, etag: `"${this.#changes}"`, modifiedAt: new Date(), isCopy }
    this.#blobs.set(name, blob)
    return { status, headers: this.#facts(blob) }
  }

  #copyState(): Record<string, string> {
    return { 'x-ms-copy-id': 'one', 'x-ms-copy-status': this.holdsCopies ? 'pending' : 'success' }
  }

  #facts({ etag, modifiedAt }: StoredBlob): Record<string, string> {
    return { etag, 'last-modified': modifiedAt.toUTCString() }
  }
}

function metadataOf(headers: IncomingMessage['headers']): Record<string, string> {
  const named = Object.entries(headers).filter(([name]) => name.startsWith('x-ms-meta-'))
  return Object.fromEntries(named.map(([name, value]) => [name.slice('x-ms-meta-'.length), String(value)]))
}

/** "Create a service SAS", version 2020-12-06 and later. */
function isSigned(query: URLSearchParams, resource: string): boolean {
  const field = (name: string) => query.get(name) ?? ''
  const times = [field('sp'), field('st'), field('se')]
  const lines = [...times, resource, '', '', field('spr'), field('sv'), field('sr'), '', '', '', '', '', '', '']
  const signature = createHmac('sha256', Buffer.from(accountKey, 'base64')).update(lines.join('\n')).digest('base64')
  return field('sp') === 'r' && Date.parse(field('se')) > Date.now() && signature === query.get('sig')
}
