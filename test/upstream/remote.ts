// What the suites of the upstream client share: a RemoteContent with a clock that stands still and a log that can be read,
// and a server that answers as a test tells it, for what the stand-in Hub can't do.
import '../support/names.ts'
import { createServer, type IncomingMessage, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { UpstreamFailure, type UpstreamFailureKind } from '../../src/content.ts'
import type { Clock } from '../../src/lib/clock.ts'
import { type Digest, parseDigest } from '../../src/oci/digest.ts'
import {
  parseReference,
  parseRepositoryName,
  parseTag,
  type Reference,
  type RepositoryName,
  type Tag,
  withLibrary,
} from '../../src/oci/names.ts'
import type { Log } from '../../src/telemetry/log.ts'
import { RemoteContent, type RemoteContentOptions } from '../../src/upstream/remote-content.ts'

/** A clock that moves by `advance` alone; its sleepers sleep until then. */
export class StillClock implements Clock {
  #now = Date.parse('2026-01-01T00:00:00Z')

  now(): number {
    return this.#now
  }

  advance(seconds: number): void {
    this.#now += seconds * 1000
  }

  sleep(_ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((_resolve, reject) => signal?.addEventListener('abort', () => reject(signal.reason), { once: true }))
  }
}

export interface LogLine {
  readonly level: string
  readonly fields: object
  readonly message: string
}

/** A log that keeps its lines. */
export class ReadableLog implements Log {
  readonly lines: LogLine[] = []
  debug = (fields: object, message: string) => void this.lines.push({ level: 'debug', fields, message })
  info = (fields: object, message: string) => void this.lines.push({ level: 'info', fields, message })
  warn = (fields: object, message: string) => void this.lines.push({ level: 'warn', fields, message })
  error = (fields: object, message: string) => void this.lines.push({ level: 'error', fields, message })

  /** Everything that was said, in one text. */
  get text(): string {
    return this.lines.map((line) => `${line.level} ${line.message} ${JSON.stringify(line.fields)}`).join('\n')
  }
}

export interface Remote extends AsyncDisposable {
  readonly content: RemoteContent
  readonly clock: StillClock
  readonly log: ReadableLog
}

export function remoteFor(url: string, options: Partial<RemoteContentOptions> = {}): Remote {
  const clock = new StillClock()
  const log = new ReadableLog()
  const content = new RemoteContent({ url, trustedRealms: [], userAgent: 'entrepot-test/1', clock, log, ...options })
  return { content, clock, log, [Symbol.asyncDispose]: () => content.close() }
}

/** As the mirror names what Docker Hub calls so. */
export const repositoryOf = (text: string): RepositoryName => withLibrary(parseRepositoryName(text))
export const tagOf = (text: string): Tag => parseTag(text)
export const referenceOf = (text: string): Reference => parseReference(text)
export const digestFrom = (text: string): Digest => parseDigest(text)

/** The UpstreamFailure that the promise rejects with; any other end is a failed test. */
export async function failureOf(promise: Promise<unknown>, kind?: UpstreamFailureKind): Promise<UpstreamFailure> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (!(error instanceof UpstreamFailure)) throw new Error('expected an UpstreamFailure', { cause: error })
  if (kind !== undefined && error.kind !== kind) throw new Error(`expected ${kind}, got ${error.kind}`, { cause: error })
  return error
}

export async function bytesOf(chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<Buffer> {
  const all: Buffer[] = []
  for await (const chunk of chunks) all.push(Buffer.from(chunk))
  return Buffer.concat(all)
}

export interface ScriptedServer extends AsyncDisposable {
  readonly url: string
  readonly port: number
  readonly requests: IncomingMessage[]
}

/** A server on loopback that answers as `listener` does. */
export async function scriptedServer(listener: RequestListener): Promise<ScriptedServer> {
  const requests: IncomingMessage[] = []
  const server = createServer((request, response) => {
    requests.push(request)
    listener(request, response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    requests,
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve))
      server.closeAllConnections()
      await closed
    },
  }
}
