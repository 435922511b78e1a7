// What replicas tell each other of one registry: pulls that are left, pauses, and servers that fail. It comes by a board, so that
// it is at hand when somebody asks, without a question to anybody.
import type { SharedFacts } from '../cluster/shared-facts.ts'
import type { Breakers } from './breaker.ts'
import type { QuotaNews, QuotaState } from './quota.ts'
import type { RateLimit } from './rate-limits.ts'

export interface SharedRegistry {
  /** host:port */
  readonly registry: string
  /** Limits are counted for an account. */
  readonly username: string | undefined
}

/** Longer than any window of a limit, and than any pause that is believed. */
const quotaLifeMs = 25 * 3_600_000
const circuitLifeMs = 60_000

/** Until it is disposed. */
export function shareNews(shared: SharedFacts, { registry, username }: SharedRegistry, quota: QuotaState, breakers: Breakers): Disposable {
  const account = `${username ?? ''}@${registry}`
  quota.tellTo((news) => shared.post('limit' in news ? 'limits' : 'pauses', account, news, quotaLifeMs))
  // Another registry may reach the same host in another way.
  const circuitPrefix = `${registry} `
  breakers.tellTo((origin, openUntil) => shared.post('breakers', `${circuitPrefix}${origin}`, { openUntil }, circuitLifeMs))
  using watching = new DisposableStack()
  for (const board of ['limits', 'pauses']) {
    watching.use(
      shared.watch(board, (name, value) => {
        const news = name === account ? quotaNewsIn(value) : undefined
        if (news !== undefined) quota.hear(news)
      }),
    )
  }
  watching.use(
    shared.watch('breakers', (name, value) => {
      const openUntil = typeof value === 'object' && value !== null && 'openUntil' in value ? value.openUntil : undefined
      if (name.startsWith(circuitPrefix) && typeof openUntil === 'number') breakers.hear(name.slice(circuitPrefix.length), openUntil)
    }),
  )
  return watching.move()
}

function quotaNewsIn(value: unknown): QuotaNews | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const { limit, pause } = value as { readonly limit?: unknown; readonly pause?: unknown }
  const told = rateLimitIn(limit)
  if (told !== undefined) return { limit: told }
  if (typeof pause !== 'object' || pause === null) return undefined
  const { until, changedAt } = pause as Record<string, unknown>
  return typeof until === 'number' && typeof changedAt === 'number' ? { pause: { until, changedAt } } : undefined
}

function rateLimitIn(value: unknown): RateLimit | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const { limit, remaining, windowSeconds, source, seenAt } = value as Record<string, unknown>
  if (typeof limit !== 'number' || typeof remaining !== 'number' || typeof seenAt !== 'number') return undefined
  return {
    limit,
    remaining,
    windowSeconds: typeof windowSeconds === 'number' ? windowSeconds : undefined,
    source: typeof source === 'string' ? source : undefined,
    seenAt,
  }
}
