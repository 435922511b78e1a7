// From a line of the log to what it means for whoever pulls, and what an operator can do. Pure.
import type { UpstreamFailureKind } from '../content.ts'

export interface Explanation {
  readonly meaning: string
  readonly advice: string | null
}

/** By the kind of an upstream's failure, which says more than the line. */
const byKind: Readonly<Record<UpstreamFailureKind, Explanation>> = {
  unreachable: {
    meaning: 'Upstream could not be reached: no connection. What is here is served; what is not has to wait.',
    advice: 'Check name resolution, the route and HTTPS_PROXY from this machine.',
  },
  timeout: {
    meaning: 'Upstream did not answer in time. What is here is served; what is not has to wait.',
    advice: 'Usually it passes. If it stays, look at the line to upstream, or raise proxy.responseheadertimeout.',
  },
  unavailable: {
    meaning: 'Upstream answered that it is in trouble itself (5xx). What is here is served.',
    advice: 'Nothing to do here; its status page may tell more.',
  },
  'rate-limited': {
    meaning: 'Upstream limits how many pulls it grants. Tags that are here are served as they are until it grants more.',
    advice: 'Log in upstream (proxy.username and proxy.password), or ask less often (proxy.tags.ttl).',
  },
  denied: {
    meaning: 'Upstream says that this account may not have it, or that it does not exist.',
    advice: 'Check the name of the image, and what the account in proxy.username may read.',
  },
  'login-refused': {
    meaning: 'Upstream refused our own user name and password.',
    advice: 'Make a new access token upstream and set proxy.password.',
  },
  broken: {
    meaning: 'Upstream answered something that cannot be right. Nothing of it was kept.',
    advice: 'Often a captive portal or a TLS-inspecting proxy on the way.',
  },
}

/** By the beginning of the line. */
const byLine: readonly (readonly [beginning: string, meaning: string, advice: string | null])[] = [
  ['upstream fails again and again', 'Upstream failed several times in a row and is left alone for some seconds at a time.', null],
  ['upstream broke in a blob', 'A download from upstream was cut and goes on where it stopped. Clients only notice a pause.', null],
  ['a blob could not be fetched', 'A download failed for good. The clients that waited for it will try again.', null],
  [
    'a blob is not kept, because there is no room',
    'The cache is full and nothing may go, so this was passed on without being kept.',
    'Raise proxy.maxsize, lower storage.minfree, or unpin something.',
  ],
  [
    'there is no room for new content',
    'The cache is full and nothing may go: new content is passed on without being kept.',
    'Raise proxy.maxsize, lower storage.minfree, or unpin something.',
  ],
  [
    'a blob cannot be kept',
    'The disk refused a write. Clients are served straight from upstream meanwhile.',
    'Look for a full or read-only disk (df, dmesg).',
  ],
  ['a manifest cannot be kept', 'The disk refused a write; the manifest is served from memory.', 'Look for a full or read-only disk.'],
  [
    'a stored blob',
    'Something on the disk does not read as it was written. It was put aside and is fetched again.',
    'Once is chance; several times is a dying disk. `entrepot verify` reads everything.',
  ],
  ['a stored manifest is damaged', 'A manifest on the disk is damaged. It counts as absent and is fetched again.', null],
  [
    'Redis is away',
    'Redis does not answer. This replica goes on alone, with what it knows itself.',
    'Check Redis; nothing is lost meanwhile, but replicas may fetch the same content twice.',
  ],
  ['a lease was lost', 'Another replica may do the same work, as this one could not renew its claim in time.', null],
  ['events are not taken', 'A notification endpoint refuses events. They wait on the disk and are sent later.', 'Check that endpoint.'],
  [
    'a health check fails',
    'A check of your configuration (health) fails, so all requests are answered 503.',
    'Mend what the check looks at, or take the check out.',
  ],
  ['no certificate could be had', 'The certificate could not be renewed; the present one stays.', 'Port 80 or 443 must be reachable.'],
  ['a worker process died', 'A worker process ended unexpectedly and was replaced.', 'The application log has its last words.'],
  [
    'the usage index',
    'The record of what was used when cannot be used. Pulls go on; eviction waits.',
    'It is made anew from the store by itself.',
  ],
  ['eviction failed', 'Making room went wrong; it is tried again within a minute.', null],
  ['failed a request', 'A request ended with an error of ours.', 'The application log has the whole line; please report it.'],
]

/** `kind`: of an upstream's failure, where the line has one. */
export function explain(message: string, kind: string | undefined): Explanation {
  if (kind !== undefined && Object.hasOwn(byKind, kind)) return byKind[kind as UpstreamFailureKind]
  const [, meaning, advice] = byLine.find(([beginning]) => message.startsWith(beginning)) ?? ['', sentence(message), null]
  return { meaning, advice }
}

/** A key of the configuration stays as it is written. */
function sentence(message: string): string {
  const begun = message.replace(/^[a-z]+(?=[\s:,])/, (word) => `${word.charAt(0).toUpperCase()}${word.slice(1)}`)
  return /[.!?]$/.test(begun) ? begun : `${begun}.`
}
