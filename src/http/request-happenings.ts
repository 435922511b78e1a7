// What a request that ended did, for notifications: pulled, pushed, mounted, deleted; most did nothing that anybody is told of.
import { type Clock, systemClock } from '../lib/clock.ts'
import { urlHost } from '../lib/url-host.ts'
import type { Happening } from '../notify/event.ts'
import { isDigestReference, type Tag } from '../oci/names.ts'
import type { Exchange } from './exchange.ts'
import type { Locate } from './locations.ts'
import type { RequestObserver } from './request-hooks.ts'
import { routeOf } from './route-names.ts'

/** An observer that tells of each request that did something. As in distribution, HEAD pulls, too: `request.method` tells them apart. */
export function createHappenings(tell: (happening: Happening) => void, locate: Locate, clock: Clock = systemClock): RequestObserver {
  return (exchange) => {
    const action = actionOf(exchange)
    const { repository, removedTags } = exchange
    if (action === undefined || repository === undefined) return
    const kind = routeOf(exchange.path) === 'manifest' ? 'manifest' : 'blob'
    const shared = { action, kind, repository, at: clock.now(), request: requestOf(exchange), user: exchange.user } as const
    tell({ ...shared, ...(action === 'delete' ? deletedBy(exchange) : keptBy(exchange, kind, locate)) })
    for (const tag of removedTags ?? []) tell({ ...shared, tag })
  }
}

function deletedBy({ reference = '' as Tag }: Exchange): Pick<Happening, 'content' | 'tag'> {
  return isDigestReference(reference) ? { content: { digest: reference } } : { tag: reference }
}

function keptBy(
  exchange: Exchange,
  kind: Happening['kind'],
  locate: Locate,
): Omit<Happening, 'action' | 'kind' | 'repository' | 'at' | 'request'> {
  const { descriptor, reference, mountedFrom } = exchange
  return {
    content: descriptor,
    tag: reference === undefined || isDigestReference(reference) ? undefined : reference,
    fromRepository: mountedFrom,
    url: descriptor === undefined ? undefined : locate(exchange, `${insideOf(exchange)}/${kind}s/${descriptor.digest}`),
  }
}

const pulled: ReadonlySet<number> = new Set([200, 206, 307])

function actionOf({ req, res, descriptor, provenance, mountedFrom }: Exchange): Happening['action'] | undefined {
  const { statusCode } = res
  const { method } = req
  if (method === 'GET' || method === 'HEAD') return provenance !== undefined && pulled.has(statusCode) ? 'pull' : undefined
  if (method === 'DELETE') return statusCode === 202 ? 'delete' : undefined
  if (statusCode !== 201 || descriptor === undefined) return undefined
  return mountedFrom === undefined ? 'push' : 'mount'
}

/** `/v2/<name>` as the client called it. */
function insideOf({ path }: Exchange): string {
  const end = Math.max(path.lastIndexOf('/manifests/'), path.lastIndexOf('/blobs/uploads'))
  return path.slice(path.indexOf('/v2/'), end >= 0 ? end : path.lastIndexOf('/blobs/'))
}

function requestOf({ req, requestId, clientAddress }: Exchange): Happening['request'] {
  const { remoteAddress, remotePort } = req.socket
  const isPeer = remotePort !== undefined && remoteAddress?.endsWith(clientAddress) === true
  return {
    id: requestId,
    addr: isPeer ? `${urlHost(clientAddress)}:${remotePort}` : clientAddress,
    host: req.headers.host ?? '',
    method: req.method ?? '',
    useragent: req.headers['user-agent'] ?? '',
  }
}
