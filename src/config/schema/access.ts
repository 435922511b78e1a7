// `auth`: who is asked for a name, and who may do what.

import { z } from 'zod'

import { boolean, choice, list, text } from '../leaves.ts'

/** Keys of `auth` that name a way to authenticate; at most one may be set. */
export const authNames = ['silly', 'htpasswd', 'token', 'none'] as const

const token = z.object({
  realm: text(),
  service: text(),
  issuer: text(),
  rootcertbundle: text().optional(),
  jwks: text().optional(),
  signingalgorithms: list(text()).default([]),
  autoredirect: boolean().default(false),
  autoredirectpath: text().default('/auth/token'),
})

const rule = z.object({
  user: list(text()).default([]),
  group: list(text()).default([]),
  repository: list(text()).default([]),
  actions: list(choice('pull', 'push', 'delete', '*')).default([]),
})

export const auth = z.object({
  silly: z.object({ realm: text(), service: text() }).optional(),
  htpasswd: z
    .object({
      realm: text(),
      path: text(),
      /** A file of `group: user user …`, as Apache's AuthGroupFile. */
      groups: text().optional(),
    })
    .optional(),
  token: token.optional(),
  none: z.object({}).optional(),
  access: list(rule).default([]),
  anonymous: choice('none', 'pull').default('none'),
})
