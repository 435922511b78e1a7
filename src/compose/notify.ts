// `notifications` of the configuration → endpoints with their queues, and an observer of requests that tells them. Part of compose.
import { randomUUID } from 'node:crypto'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { hostname, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { Link, Services } from '../cluster/worker-link.ts'
import type { Config } from '../config/load.ts'
import type { ContentSource } from '../content.ts'
import { parseRanges } from '../http/client-address.ts'
import { createLocate } from '../http/locations.ts'
import { normalPrefix } from '../http/request-names.ts'
import { createHappenings } from '../http/request-happenings.ts'
import type { RequestObserver } from '../http/request-hooks.ts'
import type { Clock } from '../lib/clock.ts'
import { createCounters, type NotificationCounters } from '../notify/counters.ts'
import { Endpoint } from '../notify/endpoint.ts'
import { Notifier } from '../notify/notifier.ts'
import type { RegistryEvent } from '../notify/event.ts'
import { EventQueue } from '../notify/queue.ts'
import type { Descriptor } from '../oci/descriptor.ts'
import type { Digest } from '../oci/digest.ts'
import { parseManifest } from '../oci/manifest.ts'
import type { RepositoryName } from '../oci/names.ts'
import type { Log } from '../telemetry/log.ts'
import type { Meters } from '../telemetry/meters.ts'

export interface NotifyParts {
  readonly meters: Meters
  /** What is kept here: events may tell what a manifest refers to. */
  readonly store: Pick<ContentSource, 'findManifest'>
  readonly clock: Clock
  readonly log: Log
  /** Of a worker process: it is the primary that keeps and sends events, so that those of all workers come in one order. */
  readonly primary?: Link | undefined
}

export interface Delivery {
  /** What workers ask. */
  readonly services: Services
}

/** For the primary process of several workers. Throws Errors that name the key of a queue that cannot be opened. */
export async function openDelivery(config: Config, parts: EndpointsParts, building: AsyncDisposableStack): Promise<Delivery> {
  if (wantedIn(config).length === 0) return { services: {} }
  const endpoints = await openEndpoints(config, parts, building)
  const add = (event: RegistryEvent) => endpoints.forEach((endpoint) => endpoint.add(event))
  return { services: { 'notify.add': (event) => add(event as RegistryEvent) } }
}

function throughPrimary(primary: Link, log: Log): Pick<Endpoint, 'add'> & AsyncDisposable {
  // Answers come in the order of the questions.
  let last: Promise<unknown> = Promise.resolve()
  return {
    add(event) {
      last = primary.ask('notify.add', event).catch((error: unknown) => log.error({ error }, 'an event is lost'))
    },
    async [Symbol.asyncDispose]() {
      await last
    },
  }
}

type EndpointsParts = Pick<NotifyParts, 'meters' | 'clock' | 'log'>

const wantedIn = ({ notifications }: Config) => notifications.endpoints.filter(({ disabled }) => !disabled)

async function openEndpoints(config: Config, parts: EndpointsParts, building: AsyncDisposableStack): Promise<readonly Endpoint[]> {
  const endpoints: Endpoint[] = []
  const counters = createCounters(parts.meters, () => endpoints.map(({ name, waiting }) => [[name], waiting] as const))
  const folder = await openFolder(config, building)
  for (const [at, each] of wantedIn(config).entries()) {
    const endpoint = await openEndpoint(each, { ...parts, counters, folder, key: `notifications.endpoints[${at}]` })
    endpoints.push(building.use(endpoint))
  }
  return endpoints
}

/** None when nobody wants to hear. Throws Errors that name the key of a queue that cannot be opened. */
export async function openNotifications(
  config: Config,
  parts: NotifyParts,
  building: AsyncDisposableStack,
): Promise<readonly RequestObserver[]> {
  if (wantedIn(config).length === 0) return []
  const endpoints =
    parts.primary === undefined ? await openEndpoints(config, parts, building) : [building.use(throughPrimary(parts.primary, parts.log))]
  const { includereferences } = config.notifications.events
  const notifier = new Notifier({
    endpoints,
    source: { addr: `${hostname()}${config.http.addr.slice(config.http.addr.lastIndexOf(':'))}`, instanceID: randomUUID() },
    referencesOf: includereferences ? (repository, digest) => referencesOf(parts.store, repository, digest) : undefined,
    log: parts.log,
  })
  const { host, relativeurls, prefix, trustedproxies } = config.http
  const rules = { host, relative: relativeurls, prefix: normalPrefix(prefix) }
  const locate = createLocate({ rules, trustedProxies: parseRanges(trustedproxies), log: parts.log })
  return [createHappenings((happening) => notifier.tell(happening), locate, parts.clock)]
}

/** Beside the content, where that lies in files; else in a folder that goes with the process. */
async function openFolder({ storage, notifications }: Config, building: AsyncDisposableStack): Promise<string> {
  const root = storage.filesystem?.rootdirectory
  const folder = notifications.folder ?? (root === undefined ? undefined : join(root, 'entrepot-notifications'))
  try {
    if (folder === undefined) {
      const temporary = await mkdtemp(join(tmpdir(), 'entrepot-notifications-'))
      building.defer(() => rm(temporary, { recursive: true, force: true }))
      return temporary
    }
    await mkdir(resolve(folder), { recursive: true })
    return resolve(folder)
  } catch (error) {
    throw new Error(`notifications.folder: cannot make the folder ${folder ?? ''} for events that wait`, { cause: error })
  }
}

type EndpointConfig = Config['notifications']['endpoints'][number]

interface EndpointParts extends EndpointsParts {
  readonly counters: NotificationCounters
  readonly folder: string
  readonly key: string
}

async function openEndpoint(config: EndpointConfig, { counters, folder, key, clock, log }: EndpointParts): Promise<Endpoint> {
  const { url, headers, timeout, threshold, backoff, ignoredmediatypes, ignore } = config
  if (url === undefined) throw new Error(`${key}.url is missing`)
  const name = config.name ?? new URL(url).host
  const file = join(folder, `${encodeURIComponent(name)}.events`)
  let queue: EventQueue
  try {
    queue = await EventQueue.open(file)
  } catch (error) {
    throw new Error(`${key}: cannot keep events in ${file}`, { cause: error })
  }
  const mediaTypes = [...ignoredmediatypes, ...ignore.mediatypes]
  const rest = { timeoutMs: timeout, threshold, backoffMs: backoff, ignore: { mediaTypes, actions: ignore.actions } }
  return new Endpoint({ name, url, headers, ...rest, queue, clock, log, counters })
}

async function referencesOf(
  store: Pick<ContentSource, 'findManifest'>,
  repository: RepositoryName,
  digest: Digest,
): Promise<readonly Descriptor[]> {
  const found = await store.findManifest(repository, digest, new AbortController().signal)
  if (found === undefined) return []
  const { config, layers, manifests } = parseManifest(found.bytes, found.descriptor.mediaType)
  const all = [...(config === undefined ? [] : [config]), ...layers, ...manifests]
  // In distribution's order of fields.
  return all.map(({ mediaType, size, digest: its }) => ({ mediaType, size, digest: its }))
}
