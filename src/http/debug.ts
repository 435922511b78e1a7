// The debug address: health, metrics, and whatever else is for operators only. Plain HTTP without authentication, as in
// distribution, so it belongs on an address that only operators reach. Parts add their routes before or after it listens.
import type { IncomingMessage, ServerResponse } from 'node:http'
import { errorText, type Log } from '../telemetry/log.ts'
import type { HealthState } from '../telemetry/health.ts'

/** `path`: as it came, without the query. */
export type DebugHandler = (req: IncomingMessage, res: ServerResponse, path: string) => void | Promise<void>

export class DebugRoutes {
  readonly #exact = new Map<string, DebugHandler>()
  readonly #below: [prefix: string, handler: DebugHandler][] = []
  readonly #log: Log

  constructor(log: Log) {
    this.#log = log
  }

  /** GET and HEAD of one path. */
  on(path: string, handler: DebugHandler): void {
    this.#exact.set(path, handler)
  }

  /** Every method of `prefix` and of all paths below it. */
  below(prefix: string, handler: DebugHandler): void {
    this.#below.push([prefix, handler])
  }

  /** Never rejects. */
  async handle(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const [path = '/'] = (req.url ?? '/').split('?', 1)
    try {
      const exact = this.#exact.get(path)
      if (exact !== undefined && req.method !== 'GET' && req.method !== 'HEAD') {
        answerText(res, 405, 'only GET and HEAD\n', { Allow: 'GET, HEAD' })
        return
      }
      const handler = exact ?? this.#below.find(([prefix]) => path === prefix || path.startsWith(`${prefix}/`))?.[1]
      if (handler === undefined) answerText(res, 404, '404 page not found\n')
      else await handler(req, res, path)
    } catch (error) {
      this.#log.error({ path, error: errorText(error) }, 'the debug address failed a request')
      if (res.headersSent) res.destroy()
      else answerText(res, 500, 'failed; see the log\n')
    }
  }
}

export function answerText(res: ServerResponse, status: number, text: string, headers: Readonly<Record<string, string>> = {}): void {
  const body = Buffer.from(text)
  res.writeHead(status, { 'Content-Type': 'text/plain; charset=utf-8', 'Content-Length': body.length, ...headers })
  res.end(res.req.method === 'HEAD' ? undefined : body)
}

function answerObject(res: ServerResponse, status: number, value: object): void {
  answerText(res, status, `${JSON.stringify(value)}\n`, { 'Content-Type': 'application/json' })
}

/**
 * `/debug/health` as distribution has it: `{}`, or 503 with the failing checks.
 * `/livez`: the process answers; restart it when not. `/readyz`: whether it should get requests; it tells of troubles without
 * failing for them, and neither of them asks Docker Hub.
 */
export function addHealthRoutes(routes: DebugRoutes, state: () => Promise<HealthState>): void {
  const failuresIn = ({ checks }: HealthState) => Object.entries(checks).filter(([, failure]) => failure !== null)
  routes.on('/debug/health', async (_req, res) => {
    const failures = failuresIn(await state())
    answerObject(res, failures.length > 0 ? 503 : 200, Object.fromEntries(failures))
  })
  routes.on('/livez', (_req, res) => answerText(res, 200, 'ok\n'))
  routes.on('/readyz', async (_req, res) => {
    const now = await state()
    const isFailing = failuresIn(now).length > 0
    answerObject(res, now.isStopping || isFailing ? 503 : 200, {
      status: now.isStopping ? 'stopping' : isFailing ? 'failing' : 'ready',
      checks: Object.fromEntries(Object.entries(now.checks).map(([name, failure]) => [name, failure ?? 'ok'])),
      troubles: now.troubles,
    })
  })
}
