// Stands before a real S3 and writes down what is asked of it, by kind. What it passes on is as it came, so that signatures hold.
import { once } from 'node:events'
import { Agent, createServer, type IncomingMessage, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { pipeline } from 'node:stream'

export interface S3Counter extends AsyncDisposable {
  readonly url: string
  /** In the order in which they came: the kind and the key. */
  readonly asked: string[]
}

export async function startS3Counter(target: { readonly port: number }): Promise<S3Counter> {
  const asked: string[] = []
  const agent = new Agent({ keepAlive: true })
  const server = createServer((incoming, response) => {
    asked.push(describe(incoming))
    const { method, url, rawHeaders: headers } = incoming
    const outgoing = request({ agent, host: '127.0.0.1', port: target.port, method, path: url, headers, setHost: false })
    outgoing.on('response', (answer) => {
      response.writeHead(answer.statusCode ?? 500, answer.rawHeaders)
      pipeline(answer, response, () => undefined)
    })
    // Who asked notices it by the connection.
    pipeline(incoming, outgoing, (error) => void (error && response.destroy()))
    outgoing.on('error', () => response.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      agent.destroy()
    },
  }
}

function describe({ method = '', url = '', headers }: IncomingMessage): string {
  const { pathname, searchParams: query } = new URL(url, 'http://counter')
  return `${kindOf(method, query, headers['x-amz-copy-source'] !== undefined)} ${query.get('prefix') ?? pathname}`
}

function kindOf(method: string, query: URLSearchParams, isCopy: boolean): string {
  if (query.has('uploads')) return method === 'POST' ? 'CreateMultipartUpload' : 'ListMultipartUploads'
  if (query.has('uploadId')) {
    if (method === 'PUT') return isCopy ? 'UploadPartCopy' : 'UploadPart'
    return (
      ({ GET: 'ListParts', POST: 'CompleteMultipartUpload', DELETE: 'AbortMultipartUpload' } as Record<string, string>)[method] ?? method
    )
  }
  if (query.has('list-type')) return 'ListObjects'
  if (query.has('delete')) return 'DeleteObjects'
  if (method === 'PUT') return isCopy ? 'CopyObject' : 'PutObject'
  return method
}
