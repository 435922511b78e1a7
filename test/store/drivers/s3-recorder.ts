// A stand-in for S3 that shows what was asked of it, header by header, and fails on demand: for what a real one hides or can't be
// made to do. It checks no signature, and knows only what the driver asks.
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'

export interface RecordedRequest {
  readonly method: string
  /** Without the query. */
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: IncomingHttpHeaders
}

export interface S3Recorder extends AsyncDisposable {
  readonly url: string
  readonly requests: RecordedRequest[]
  /** So many requests from now on are answered 503 SlowDown. */
  slowDowns: number
}

const slowDown = '<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>'

export async function startS3Recorder(): Promise<S3Recorder> {
  const objects = new Map<string, Buffer>()
  const recorder = { requests: [] as RecordedRequest[], slowDowns: 0 }
  const server = createServer((request, response) => {
    const { pathname: path, searchParams: query } = new URL(request.url ?? '', 'http://recorder')
    const asked = { method: request.method ?? '', path, query, headers: request.headers }
    recorder.requests.push(asked)
    void answer(objects, asked, request).then((ready) => {
      const isBusy = recorder.slowDowns > 0
      if (isBusy) recorder.slowDowns -= 1
      const [status, body] = isBusy ? [503, slowDown] : ready
      response.writeHead(status, { etag: '"tag"', 'last-modified': new Date().toUTCString(), 'content-length': Buffer.byteLength(body) })
      response.end(body)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return Object.assign(recorder, {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
    },
  })
}

const copied = '<Result><ETag>"tag"</ETag></Result>'
const noMore = '<Result><IsTruncated>false</IsTruncated></Result>'

async function answer(objects: Map<string, Buffer>, asked: RecordedRequest, request: IncomingMessage): Promise<[number, string | Buffer]> {
  const { method, path, query } = asked
  const body = await buffer(request)
  if (method === 'PUT') return put(objects, asked, body)
  if (method === 'POST') return [200, query.has('uploads') ? '<Result><UploadId>one</UploadId></Result>' : copied]
  if (method === 'DELETE') objects.delete(path)
  if (method === 'DELETE') return [204, '']
  if (query.has('uploads') || query.has('list-type')) return [200, noMore]
  const found = objects.get(path)
  return found === undefined ? [404, ''] : [200, found]
}

function put(objects: Map<string, Buffer>, { path, query, headers }: RecordedRequest, body: Buffer): [number, string] {
  const source = headers['x-amz-copy-source']
  if (!query.has('uploadId')) objects.set(path, source === undefined ? body : (objects.get(`/${String(source)}`) ?? body))
  return [200, source === undefined ? '' : copied]
}
