// `proxy`: what is mirrored, with whose credentials, how fresh, how much. Its presence makes the process a mirror.

import { z } from 'zod'

import { boolean, choice, duration, httpUrl, integer, list, mapOf, secret, sizeLimit, text } from '../leaves.ts'

const hourMs = 3_600_000

/** What it takes to talk to one registry. */
const remote = {
  remoteurl: httpUrl(),
  username: text().optional(),
  password: secret().optional(),
  /** A docker credential helper; `lifetime` unset means that its answer holds for ever, 0 that it is asked each time. */
  exec: z.object({ command: text(), lifetime: duration('signed').optional() }).optional(),
  /** Path of a PEM file with further certificate authorities. */
  ca: text().optional(),
  /** Accept any certificate. */
  insecure: boolean().default(false),
}

const mirrorSource = z.preprocess((found) => (typeof found === 'string' ? { remoteurl: found } : found), z.object(remote))

const upstream = z.object({
  ...remote,
  remoteurl: httpUrl().optional(),
  /** Equal sources of the same registry, in order of preference. */
  mirrors: list(mirrorSource).default([]),
  /** Hosts that `'*'` may stand for, as globs. */
  allow: list(text()).default([]),
})

const tagRule = z.object({
  match: text(),
  ttl: duration().optional(),
  stalewhilerevalidate: duration().optional(),
  staleiferror: duration().optional(),
})

const tags = z.object({
  ttl: duration().default(0),
  stalewhilerevalidate: duration().default(0),
  revalidatetimeout: duration().default(2_000),
  staleiferror: duration().default(720 * hourMs),
  staleifdenied: boolean().default(false),
  staleifdeleted: boolean().default(false),
  rules: list(tagRule).default([]),
})

/** Spans in milliseconds. */
export const proxy = z.object({
  ...remote,
  /** Equal sources of what is mirrored, in order of preference; `remoteurl` is asked last. */
  mirrors: list(mirrorSource).default([]),
  /** Hosts of token servers that may be given the credentials, beside the upstream's own. */
  trustedrealms: list(text()).default([]),
  /** Whether `nginx` means `library/nginx` upstream; unless told, only where upstream is Docker Hub itself. */
  libraryprefix: boolean().optional(),
  connecttimeout: duration().default(5_000),
  responseheadertimeout: duration().default(15_000),
  bodyidletimeout: duration().default(30_000),
  /** How long unused content is kept; 0 or less means for ever. */
  ttl: duration('signed').default(168 * hourMs),
  cachewritetimeout: duration('signed').default(300_000),
  tags: tags.prefault({}),
  quota: z.object({ reserve: integer(0).default(0) }).prefault({}),
  negativettl: duration().default(10_000),
  /** Ask no upstream anything. */
  offline: boolean().default(false),
  /** Further registries by the host that stands before their images; `'*'` is any host on demand. */
  upstreams: mapOf(upstream).default({}),
  /** What may be pulled, as globs on `host/repository`; those without a host are about `remoteurl`. */
  repositories: z.object({ allow: list(text()).default([]), deny: list(text()).default([]) }).prefault({}),
  /** Repositories, as globs, that are ours and not mirrored. */
  local: list(text()).default([]),
  maxsize: sizeLimit().optional(),
  pin: list(text()).default([]),
  authorization: choice('shared', 'upstream').default('shared'),
  authorizationttl: duration().default(300_000),
  authorizationinsecure: boolean().default(false),
  /** The upstream account that a user of `auth` stands for, by his name. */
  accounts: mapOf(z.object({ username: text(), password: secret() })).default({}),
})
