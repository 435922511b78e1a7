// `redis`, `cluster`, `health` and `notifications`: the servers and listeners around the registry.

import { z } from 'zod'

import { boolean, duration, httpUrl, integer, leafFacts, list, mapOf, redacted, secret, text } from '../leaves.ts'

/** v3's spelling; v2's `addr` and `pool` are aliases. Spans in milliseconds; a negative one switches the limit off. */
export const redis = z.object({
  addrs: list(text()).default([]),
  clientname: text().optional(),
  db: integer(0).default(0),
  protocol: integer(2, 3).optional(),
  username: text().optional(),
  password: secret().optional(),
  sentinelusername: text().optional(),
  sentinelpassword: secret().optional(),
  maxretries: integer(-1).optional(),
  minretrybackoff: duration('signed').optional(),
  maxretrybackoff: duration('signed').optional(),
  dialtimeout: duration('signed').optional(),
  readtimeout: duration('signed').optional(),
  writetimeout: duration('signed').optional(),
  contexttimeoutenabled: boolean().optional(),
  poolfifo: boolean().optional(),
  poolsize: integer(0).optional(),
  pooltimeout: duration('signed').optional(),
  minidleconns: integer(0).optional(),
  maxidleconns: integer(0).optional(),
  maxactiveconns: integer(0).optional(),
  connmaxidletime: duration('signed').optional(),
  connmaxlifetime: duration('signed').optional(),
  maxredirects: integer(-1).optional(),
  readonly: boolean().optional(),
  routebylatency: boolean().optional(),
  routerandomly: boolean().optional(),
  mastername: text().optional(),
  disableidentity: boolean().optional(),
  identitysuffix: text().optional(),
  unstableresp3: boolean().optional(),
  tls: z.object({ certificate: text().optional(), key: text().optional(), rootcas: list(text()).default([]) }).optional(),
})

/** `advertise`: the address at which the other replicas reach this one. */
export const cluster = z.object({ advertise: text().optional() })

/** Header values may be credentials of the server that is asked. */
const sentHeaders = mapOf(list(text())).register(leafFacts, {
  kind: 'any',
  print: (headers: Record<string, unknown>) => Object.fromEntries(Object.keys(headers).map((name) => [name, [redacted]])),
})

const threshold = integer(0).default(0)
const interval = duration().default(10_000)

export const health = z.object({
  storagedriver: z.object({ enabled: boolean().default(false), interval, threshold }).prefault({}),
  file: list(z.object({ file: text(), interval, threshold })).default([]),
  http: list(
    z.object({
      uri: httpUrl(),
      statuscode: integer(100, 599).default(200),
      timeout: duration().default(0),
      interval,
      threshold,
      headers: sentHeaders.default({}),
    }),
  ).default([]),
  tcp: list(z.object({ addr: text(), timeout: duration().default(0), interval, threshold })).default([]),
})

const endpoint = z.object({
  name: text().optional(),
  disabled: boolean().default(false),
  url: httpUrl().optional(),
  headers: sentHeaders.default({}),
  timeout: duration().default(1_000),
  threshold: integer(0).default(10),
  backoff: duration().default(1_000),
  ignoredmediatypes: list(text()).default([]),
  ignore: z.object({ mediatypes: list(text()).default([]), actions: list(text()).default([]) }).prefault({}),
})

export const notifications = z.object({
  events: z.object({ includereferences: boolean().default(false) }).prefault({}),
  endpoints: list(endpoint).default([]),
  /** Where events wait; `entrepot-notifications` beside the content when not set and the content lies in files, else nowhere for long. */
  folder: text().optional(),
})
