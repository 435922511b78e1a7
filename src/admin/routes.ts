// The admin API below /admin/v1: JSON for the dashboard, the commands and scripts. openapi.yaml describes it. Who may come here is
// decided before: the debug address is for operators only, and on the main one they have to log in.
import { readFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { UpstreamFailure } from '../content.ts'
import type { Clock } from '../lib/clock.ts'
import { type ErrorCode, isRegistryError, RegistryError } from '../oci/errors.ts'
import { errorText, type Log } from '../telemetry/log.ts'
import { evict, pin, refresh, unpin } from './actions.ts'
import { Events } from './events.ts'
import { explain } from './explanations.ts'
import type { History } from './history.ts'
import { describeImage, listImages } from './images.ts'
import { snapshot } from './snapshot.ts'
import type { Standing } from './together.ts'
import type { ImageOrder, Views } from './views.ts'

export const adminPath = '/admin/v1'
const maxBodyBytes = 16 * 1024
const mostPerPage = 500

export interface AdminParts {
  readonly views: Views
  readonly history: History
  /** Of all processes that serve this address. */
  readonly standing: () => Promise<Standing>
  readonly clock: Clock
  readonly log: Log
}

/** `path`: inside the server, without the query. Never rejects. */
export type AdminHandler = (req: IncomingMessage, res: ServerResponse, path: string) => Promise<void>

type Handler = (req: IncomingMessage, res: ServerResponse) => unknown
type Read = (query: URLSearchParams) => unknown
type Write = (image: string, signal: AbortSignal) => Promise<unknown>

export function createAdmin(parts: AdminParts): AdminHandler {
  const { views, history, standing, clock, log } = parts
  const startedAt = clock.now()
  const status = async () => snapshot(views, await standing(), { now: clock.now(), startedAt })
  const fail = (error: unknown) => log.debug({ error }, 'the live view could not be made')
  const events = new Events({ status, isStopping: () => views.health.isStopping, clock, fail })
  history.onSample = (sample) => events.tell(sample)
  const description = readFileSync(new URL('./openapi.yaml', import.meta.url))
  const reads: Readonly<Record<string, Read>> = {
    '/status': status,
    '/images': (query) => listImages(views, imagesQueryOf(query)),
    '/image': (query) => describeImage(views, query.get('image') ?? ''),
    '/fills': async () => ({ fills: (await standing()).fills }),
    '/upstreams': async () => ({ upstreams: (await standing()).upstreams }),
    '/history': () => ({ samples: history.samples() }),
  }
  const writes: Readonly<Record<string, Write>> = {
    '/pin': (image) => pin(views, image),
    '/unpin': (image) => unpin(views, image),
    '/refresh': (image, signal) => refresh(views, image, signal),
    '/evict': (image) => evict(views, image),
  }
  const get = new Map<string, Handler>([
    ...Object.entries(reads).map(([name, read]): [string, Handler] => [
      name,
      async (req, res) => answer(res, 200, await read(queryOf(req))),
    ]),
    ['/openapi.yaml', (_req, res) => answerBytes(res, 200, 'application/yaml', description)],
    ['/events', (req, res) => events.open(req, res) || answer(res, 503, { error: 'too many listen already' })],
  ])
  const post = new Map<string, Handler>(
    Object.entries(writes).map(([name, write]) => [
      name,
      async (req, res) => {
        const result = await write(await imageIn(req), signalOf(res))
        log.info({ action: name.slice(1), result }, 'an operator asked for it')
        answer(res, 200, result)
      },
    ]),
  )
  return dispatch(get, post, log)
}

function dispatch(get: ReadonlyMap<string, Handler>, post: ReadonlyMap<string, Handler>, log: Log): AdminHandler {
  return async (req, res, path) => {
    const name = path.slice(adminPath.length)
    const isRead = req.method === 'GET' || req.method === 'HEAD'
    const handler = isRead ? get.get(name) : req.method === 'POST' ? post.get(name) : undefined
    try {
      if (handler === undefined) answerUnknown(res, get.has(name) ? 'GET, HEAD' : post.has(name) ? 'POST' : undefined)
      else await handler(req, res)
    } catch (error) {
      answerFailure(res, path, error, log)
    }
  }
}

function queryOf({ url = '' }: IncomingMessage): URLSearchParams {
  return new URLSearchParams(url.split('?')[1] ?? '')
}

const orders: readonly ImageOrder[] = ['used', 'oldest', 'name']

function imagesQueryOf(query: URLSearchParams) {
  const order = query.get('sort') ?? 'used'
  if (!orders.some((each) => each === order))
    throw new RegistryError('PAGINATION_NUMBER_INVALID', `sort: found ${order}; allowed: ${orders.join(', ')}`)
  return {
    search: (query.get('search') ?? '').trim().slice(0, 255),
    order: order as ImageOrder,
    limit: numberIn(query, 'limit', 50, 1, mostPerPage),
    offset: numberIn(query, 'offset', 0, 0, Number.MAX_SAFE_INTEGER),
  }
}

function numberIn(query: URLSearchParams, name: string, usual: number, least: number, most: number): number {
  const text = query.get(name)
  if (text === null) return usual
  const value = /^\d{1,16}$/.test(text) ? Number(text) : -1
  if (value < least || value > most)
    throw new RegistryError('PAGINATION_NUMBER_INVALID', `${name}: found ${text}; allowed: ${least} to ${most}`)
  return value
}

/** A form of another site cannot send JSON, and a script of another site is not let through: so nobody is led to do what he did not want. */
async function imageIn(req: IncomingMessage): Promise<string> {
  if (!/^application\/json\s*(;|$)/i.test(req.headers['content-type'] ?? '')) {
    throw new RegistryError('UNSUPPORTED', 'send {"image": "…"} with Content-Type: application/json')
  }
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of req as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > maxBodyBytes) throw new RegistryError('SIZE_INVALID', `more than ${maxBodyBytes} bytes`)
    chunks.push(chunk)
  }
  const image = imageOf(Buffer.concat(chunks).toString())
  if (image === undefined) throw new RegistryError('NAME_INVALID', 'send {"image": "…"}')
  return image
}

function imageOf(text: string): string | undefined {
  try {
    const { image } = Object(JSON.parse(text)) as { readonly image?: unknown }
    return typeof image === 'string' ? image : undefined
  } catch {
    // The caller says what it should have been.
    return undefined
  }
}

function signalOf(res: ServerResponse): AbortSignal {
  const controller = new AbortController()
  res.on('close', () => controller.abort(new Error('the client left')))
  return controller.signal
}

/** What is not here is 400. */
const statuses: Partial<Record<ErrorCode, number>> = { MANIFEST_UNKNOWN: 404, NAME_UNKNOWN: 404, UNSUPPORTED: 409, SIZE_INVALID: 413 }

function answerFailure(res: ServerResponse, path: string, error: unknown, log: Log): void {
  if (res.headersSent) return void res.destroy()
  if (isRegistryError(error)) return answer(res, statuses[error.code] ?? 400, { error: detailed(error) })
  if (error instanceof UpstreamFailure) {
    const { meaning, advice } = explain(error.message, error.kind)
    return answer(res, 502, { error: advice === null ? meaning : `${meaning} ${advice}` })
  }
  log.error({ path, error: errorText(error) }, 'the admin API failed a request')
  answer(res, 500, { error: 'failed; see the log' })
}

function detailed({ message, detail }: RegistryError): string {
  return typeof detail === 'string' ? `${message}: ${detail}` : message
}

function answerUnknown(res: ServerResponse, allow: string | undefined): void {
  if (allow === undefined) return answer(res, 404, { error: `there is no such thing; ${adminPath}/openapi.yaml tells what there is` })
  res.setHeader('Allow', allow)
  answer(res, 405, { error: `only ${allow}` })
}

function answer(res: ServerResponse, status: number, value: unknown): void {
  answerBytes(res, status, 'application/json', Buffer.from(`${JSON.stringify(value)}\n`))
}

function answerBytes(res: ServerResponse, status: number, type: string, body: Buffer): void {
  res.writeHead(status, {
    'Content-Type': type,
    'Content-Length': body.length,
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
  })
  res.end(res.req.method === 'HEAD' ? undefined : body)
}
