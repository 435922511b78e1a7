// `http`: where the server listens, what it answers with, and whom it believes.

import { z } from 'zod'

import { boolean, bytes, choice, duration, httpUrl, integer, list, mapOf, secret, text } from '../leaves.ts'

export const privateRanges = [
  '127.0.0.0/8',
  '::1/128',
  '10.0.0.0/8',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '169.254.0.0/16',
  'fc00::/7',
  'fe80::/10',
]

const letsencrypt = z.object({
  cachefile: text().optional(),
  email: text().optional(),
  hosts: list(text()).default([]),
  directoryurl: httpUrl().optional(),
})

const tls = z.object({
  certificate: text().optional(),
  key: text().optional(),
  clientcas: list(text()).default([]),
  clientauth: choice(
    'request-client-cert',
    'require-any-client-cert',
    'verify-client-cert-if-given',
    'require-and-verify-client-cert',
  ).optional(),
  minimumtls: choice('tls1.0', 'tls1.1', 'tls1.2', 'tls1.3').default('tls1.2'),
  ciphersuites: list(text()).default([]),
  letsencrypt: letsencrypt.optional(),
})

/** Bounds against careless or hostile clients; what is not set is not bounded beyond the server's own defaults. */
const limits = z.object({
  headersize: bytes().optional(),
  bodysize: bytes().optional(),
  /** Requests per second and address. */
  requestrate: integer(1).optional(),
  /** Open connections per address. */
  connections: integer(1).optional(),
  headertimeout: duration().optional(),
  idletimeout: duration().optional(),
})

/** Spans in milliseconds. `prefix` begins and ends with a slash. */
export const http = z.object({
  /** `:5000`, `host:port`, `[::1]:5000`, or the path of a socket when `net` is unix. */
  addr: text().default(':5000'),
  net: choice('tcp', 'unix').default('tcp'),
  host: httpUrl().optional(),
  prefix: text().default('/'),
  secret: secret().optional(),
  relativeurls: boolean().default(false),
  /** How long requests in progress may go on after SIGTERM. */
  draintimeout: duration().default(30_000),
  tls: tls.optional(),
  headers: mapOf(list(text())).default({}),
  debug: z
    .object({
      addr: text().optional(),
      prometheus: z.object({ enabled: boolean().default(false), path: text().default('/metrics') }).prefault({}),
    })
    .prefault({}),
  http2: z.object({ disabled: boolean().default(false) }).prefault({}),
  h2c: z.object({ enabled: boolean().default(false) }).prefault({}),
  workers: z.union([integer(1, 1024), choice('auto')]).optional(),
  limits: limits.prefault({}),
  accel: choice('none', 'nginx').default('none'),
  /** Addresses and ranges whose Forwarded and X-Forwarded-* headers are believed. */
  trustedproxies: list(text()).default(privateRanges),
  dashboard: z.object({ enabled: boolean().default(false) }).prefault({}),
})
