// The dashboard: one page of plain modules, with Preact and uPlot as they were installed. All of it is small, is read at the start and
// served from memory; nothing comes from anywhere else, and the Content-Security-Policy says so.
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'

export const dashboardPath = '/dashboard'

const types: Readonly<Record<string, string>> = {
  html: 'text/html; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  css: 'text/css; charset=utf-8',
  svg: 'image/svg+xml',
}

interface Asset {
  readonly body: Buffer
  readonly etag: string
  readonly type: string
}

/** `path`: inside the server, without the query. */
export function createDashboard(): (req: IncomingMessage, res: ServerResponse, path: string) => void {
  const assets = readAssets()
  const policy = policyFor(assets.get('index.html')?.body.toString() ?? '')
  return (req, res, path) => {
    const { method = 'GET', headers } = req
    if (path === dashboardPath) return redirect(req, res)
    const asset = assets.get(path.slice(dashboardPath.length + 1) || 'index.html')
    if (asset === undefined || (method !== 'GET' && method !== 'HEAD')) {
      res.writeHead(asset === undefined ? 404 : 405, asset === undefined ? {} : { Allow: 'GET, HEAD' }).end()
      return
    }
    const common = {
      ETag: asset.etag,
      'Cache-Control': 'no-cache',
      'Content-Security-Policy': policy,
      'X-Content-Type-Options': 'nosniff',
      'Referrer-Policy': 'no-referrer',
    }
    if (headers['if-none-match'] === asset.etag) return void res.writeHead(304, common).end()
    res.writeHead(200, { ...common, 'Content-Type': asset.type, 'Content-Length': asset.body.length })
    res.end(method === 'HEAD' ? undefined : asset.body)
  }
}

/** Relative, so that it holds behind any prefix and proxy. */
function redirect({ url = '' }: IncomingMessage, res: ServerResponse): void {
  const query = url.includes('?') ? url.slice(url.indexOf('?')) : ''
  res.writeHead(301, { Location: `.${dashboardPath}/${query}` }).end()
}

function readAssets(): Map<string, Asset> {
  const page = new URL('./page/', import.meta.url)
  const own = readdirSync(page).map((name): [string, URL] => [name, new URL(name, page)])
  const installed: [string, URL][] = [
    ['lib/preact.js', new URL(import.meta.resolve('preact'))],
    ['lib/uplot.js', new URL(import.meta.resolve('uplot/dist/uPlot.esm.js'))],
    ['lib/uplot.css', new URL(import.meta.resolve('uplot/dist/uPlot.min.css'))],
  ]
  return new Map([...own, ...installed].map(([name, url]) => [name, assetOf(name, readFileSync(url))]))
}

function assetOf(name: string, body: Buffer): Asset {
  const etag = `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`
  return { body, etag, type: types[name.slice(name.lastIndexOf('.') + 1)] ?? 'application/octet-stream' }
}

/** Scripts are ours, and the page's import map by its hash (CSP Level 3, section 6.7.2). */
function policyFor(html: string): string {
  const [, map = ''] = /<script type="importmap">([\s\S]*?)<\/script>/.exec(html) ?? []
  const hash = createHash('sha256').update(map).digest('base64')
  return [
    "default-src 'none'",
    `script-src 'self' 'sha256-${hash}'`,
    "style-src 'self'",
    "img-src 'self' data:",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ')
}
