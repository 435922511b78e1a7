// An endpoint that keeps what it is told, in order, and answers as the test says.
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import type { RegistryEvent } from '../../src/notify/event.ts'

export interface Taken {
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

export interface Sink extends AsyncDisposable {
  readonly url: string
  readonly port: number
  /** What was answered with less than 400. */
  readonly taken: Taken[]
  readonly refused: Taken[]
  status: number
  events(): RegistryEvent[]
}

export async function startSink(port = 0): Promise<Sink> {
  const taken: Taken[] = []
  const refused: Taken[] = []
  const server = createServer((req, res) => {
    void text(req).then((body) => {
      const kept = sink.status < 400 ? taken : refused
      kept.push({ headers: req.headers, body })
      res.writeHead(sink.status).end()
    })
  }).listen(port, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address() as AddressInfo
  const sink: Sink = {
    url: `http://127.0.0.1:${address.port}/events`,
    port: address.port,
    taken,
    refused,
    status: 200,
    events: () => taken.flatMap(({ body }) => (JSON.parse(body) as { events: RegistryEvent[] }).events),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
  return sink
}
