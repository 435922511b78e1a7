// `log`, and the small sections that only tell how much to list or what to accept.

import { z } from 'zod'

import { anyKeys, boolean, choice, integer, list, secret, text } from '../leaves.ts'

const smtp = z.object({
  addr: text().optional(),
  username: text().optional(),
  password: secret().optional(),
  insecure: boolean().default(false),
})

const hook = z.object({
  disabled: boolean().default(false),
  type: text().optional(),
  levels: list(text()).default([]),
  options: z.object({ smtp: smtp.optional(), from: text().optional(), to: list(text()).default([]) }).optional(),
})

/** Where the application log and the access log go, and how they look. */
export const log = z.object({
  accesslog: z.object({ disabled: boolean().default(false) }).prefault({}),
  level: choice('error', 'warn', 'info', 'debug').default('info'),
  formatter: choice('text', 'json', 'logstash').default('text'),
  fields: anyKeys().default({}),
  hooks: list(hook).default([]),
  reportcaller: boolean().default(false),
})

const defaultPage = 1000

/** `maxentries`: how many repositories one page of the catalog may name; 0 and less mean the default, as in distribution. */
export const catalog = z.object({
  maxentries: integer(-Number.MAX_SAFE_INTEGER)
    .transform((count) => (count > 0 ? count : defaultPage))
    .default(defaultPage),
})

/** `maxtags`: how many tags one page may name; 0 means the default. */
export const tags = z.object({
  maxtags: integer(0)
    .transform((count) => (count > 0 ? count : defaultPage))
    .default(defaultPage),
})

/** What a pushed manifest may refer to. */
export const validation = z.object({
  enabled: boolean().optional(),
  disabled: boolean().default(false),
  manifests: z
    .object({
      urls: z.object({ allow: list(text()).default([]), deny: list(text()).default([]) }).prefault({}),
      indexes: z
        .object({
          platforms: choice('all', 'none', 'list').default('all'),
          platformlist: list(z.object({ architecture: text(), os: text() })).default([]),
        })
        .prefault({}),
    })
    .prefault({}),
})

export const policy = z.object({
  repository: z.object({ classes: list(text()).default([]) }).prefault({}),
})

const middleware = list(z.object({ name: text(), disabled: boolean().default(false), options: anyKeys().default({}) })).default([])

/** Plug-ins of distribution, known by name only. */
export const middlewares = z.object({ registry: middleware, repository: middleware, storage: middleware })

/** Sections of distribution 2 that have no effect any more. */
export const compatibility = z.object({
  schema1: z.object({ signingkeyfile: text().optional(), enabled: boolean().optional() }).optional(),
})
export const reporting = z.object({ bugsnag: anyKeys().optional(), newrelic: anyKeys().optional() })
