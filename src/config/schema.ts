// Every key of the configuration: distribution's file of version 0.1 in the spellings of its releases 2 and 3, and our own keys.
// A parsed configuration keeps the file's names; spans are milliseconds, sizes bytes, defaults are filled in.

import { z } from 'zod'

import { choice } from './leaves.ts'
import { auth } from './schema/access.ts'
import { http } from './schema/http.ts'
import { catalog, compatibility, log, middlewares, policy, reporting, tags, validation } from './schema/log.ts'
import { cluster, health, notifications, redis } from './schema/operation.ts'
import { proxy } from './schema/proxy.ts'
import { storage } from './schema/storage.ts'

export const configSchema = z.object({
  version: choice('0.1'),
  log: log.prefault({}),
  storage,
  auth: auth.optional(),
  middleware: middlewares.prefault({}),
  http: http.prefault({}),
  notifications: notifications.prefault({}),
  redis: redis.optional(),
  cluster: cluster.prefault({}),
  health: health.prefault({}),
  catalog: catalog.prefault({}),
  tags: tags.prefault({}),
  proxy: proxy.optional(),
  validation: validation.prefault({}),
  policy: policy.prefault({}),
  compatibility: compatibility.optional(),
  reporting: reporting.optional(),
})

export type Config = z.output<typeof configSchema>
