// Manifests whose answer is in memory, answered at once: before Koa, before anything is waited for. It gives what the ordinary
// path would give, by the same functions and the same hooks, and leaves to it whatever it can't answer.
import type { IncomingMessage, ServerResponse } from 'node:http'
import { LRUCache } from 'lru-cache'
import type { ContentSource, Manifest } from '../content.ts'
import { isRegistryError } from '../oci/errors.ts'
import type { Reference, RepositoryName } from '../oci/names.ts'
import { type Exchange, targetOf } from './exchange.ts'
import type { CommonHeaders } from './common-headers.ts'
import { answerManifest } from './handlers/manifests.ts'
import type { RequestLives } from './middleware/cancellation.ts'
import { hasBody } from './request-body.ts'
import { isAllowedNow, type RequestHooks, tellEnded } from './request-hooks.ts'
import { type Naming, pathInside, referenceIn } from './request-names.ts'

/** Of every manifest, whatever its repository is called. */
export const manifestPattern = /^\/v2\/(.+)\/manifests\/([^/]+)$/

/** Targets of requests whose parsed names are kept, and how long they may be. */
const mostTargets = 10_000
const longestTarget = 1024

export interface HotManifestsOptions {
  readonly content: ContentSource
  readonly naming: Naming
  /** `/pfx`, or nothing. */
  readonly prefix: string
  readonly commonHeaders: CommonHeaders
  readonly hooks: RequestHooks
  readonly lives: RequestLives
}

interface Asked {
  readonly captures: readonly string[]
  readonly repository: RepositoryName
  readonly reference: Reference
}

/** True: answered. False: nothing was sent unless `hooks` did it, and the ordinary path goes on from there. */
export type AnswerHot = (req: IncomingMessage, res: ServerResponse) => boolean

export function createHotManifests(options: HotManifestsOptions): AnswerHot {
  const { content, hooks, lives, commonHeaders } = options
  const known = new LRUCache<string, Asked>({ max: mostTargets })

  return (req, res) => {
    const { url = '' } = req
    if (!isPlain(req, res) || !hooks.isOpen()) return false
    const remembered = known.get(url)
    const asked = remembered ?? askedBy(url, options)
    // First of all, as recalling counts as a use.
    if (asked === undefined || !mayHave(req, res, asked)) return false
    const manifest = content.recallManifest?.(asked.repository, asked.reference)
    if (manifest === undefined) return false
    if (remembered === undefined && url.length <= longestTarget) known.set(url, asked)
    answer(begin(req, res), asked, manifest)
    return true
  }

  function mayHave(req: IncomingMessage, res: ServerResponse, { captures }: Asked): boolean {
    return hooks.mayReadManifest === undefined || isAllowedNow(hooks.mayReadManifest, begin(req, res), captures)
  }

  function begin(req: IncomingMessage, res: ServerResponse): Exchange {
    const exchange = lives.begin(req, res)
    exchange.commonHeaders = commonHeaders(exchange.query)
    return exchange
  }

  function answer(exchange: Exchange, { repository, reference }: Asked, manifest: Manifest): void {
    exchange.asksFor(repository, reference)
    answerManifest(exchange, manifest, exchange.isHead ? undefined : manifest.bytes)
    // Nearly always the connection has taken it all by now.
    if (exchange.res.writableLength === 0) tellEnded(hooks, exchange)
    else lives.follow(exchange)
  }
}

/** A response without a socket waits behind another one of its connection. */
function isPlain(req: IncomingMessage, { socket }: ServerResponse): boolean {
  return (req.method === 'GET' || req.method === 'HEAD') && socket !== null && !hasBody(req)
}

/** `undefined`: no manifest, or none that can be; the ordinary path says so. */
function askedBy(url: string, { naming, prefix }: HotManifestsOptions): Asked | undefined {
  if (!url.includes('/manifests/')) return undefined
  const { path, query } = targetOf(url)
  const captures = manifestPattern.exec(pathInside(path, prefix) ?? '')?.slice(1)
  if (captures === undefined) return undefined
  try {
    return { captures, repository: naming({ query }, captures[0]).repository, reference: referenceIn(captures[1]) }
  } catch (error) {
    if (isRegistryError(error)) return undefined
    throw error
  }
}
