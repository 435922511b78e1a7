// A sorted set in Redis of what replicas used last: repository@digest and repository:tag → milliseconds since 1970. Each writes what it
// noted, many at once, and reads what is newer than its last look.
import { LRUCache } from 'lru-cache'
import type { AskRedis } from './news-stream.ts'
import type { Use, UsageIndex } from './usage-index.ts'
import { membersOf, usedOf } from './usage-news.ts'

/** Small enough for an answer within the bound of a command. */
const usesPerCommand = 500
/** In Redis. What falls off was used before all that stays, and by its arrival it still counts as that. */
const mostUses = 250_000
const mostPending = 20_000
/** What another replica has noted may come so much later, or by a clock that is so much behind. */
export const overlapMs = 30_000

/** Keeps the later time of both: ZADD GT, which Redis 5 does not have. */
const useScript = `for i = 1, #ARGV, 2 do
  local known = redis.call('ZSCORE', KEYS[1], ARGV[i + 1])
  if not known or tonumber(known) < tonumber(ARGV[i]) then redis.call('ZADD', KEYS[1], ARGV[i], ARGV[i + 1]) end
end
return 1`

export class SharedUses {
  readonly #now: () => number
  readonly #pending = new Map<string, number>()
  readonly #gone = new Set<string>()
  /** What is known here as it is in Redis. */
  readonly #seen = new LRUCache<string, number>({ max: mostPending })
  #readTo = 0
  /** The oldest of what was written so late that others have read on; Infinity: nothing. */
  #lateSince = Number.POSITIVE_INFINITY
  /** Where the index goes on to be written to a Redis that has lost it. */
  #refill: { readonly after: string | undefined } | undefined

  constructor(now: () => number) {
    this.#now = now
  }

  use(uses: readonly Use[], at: number): void {
    for (const member of uses.flatMap(membersOf)) {
      this.#gone.delete(member)
      this.#pending.delete(member)
      this.#pending.set(member, Math.floor(at))
    }
    for (const member of this.#pending.keys()) {
      if (this.#pending.size <= mostPending) break
      this.#pending.delete(member)
    }
  }

  /** Their content, or the tag, is here no more. */
  forget(members: readonly string[]): void {
    for (const member of members) {
      this.#pending.delete(member)
      this.#seen.delete(member)
      if (this.#gone.size < mostPending) this.#gone.add(member)
    }
  }

  /** What is known here is written to Redis again, page by page. */
  refill(): void {
    this.#readTo = 0
    this.#seen.clear()
    this.#refill = { after: undefined }
  }

  /** The next look goes back to then. */
  readAgain(since: number): void {
    this.#readTo = Math.min(this.#readTo, since)
  }

  /** Answers since when others have to read again; `undefined`: they have not to. Throws what Redis throws; what is left is written next time. */
  async write(ask: AskRedis, key: string, index: UsageIndex): Promise<number | undefined> {
    const oldest = Math.min(...this.#pending.values())
    if (oldest < this.#now() - overlapMs / 2) this.#lateSince = Math.min(this.#lateSince, oldest)
    for (const page of pagesOf([...this.#pending])) {
      await ask('EVAL', useScript, 1, key, ...page.flatMap(([member, at]) => [at, member]))
      for (const [member, at] of page) {
        this.#seen.set(member, at)
        if (this.#pending.get(member) === at) this.#pending.delete(member)
      }
    }
    for (const page of pagesOf([...this.#gone])) {
      await ask('ZREM', key, ...page)
      for (const member of page) this.#gone.delete(member)
    }
    if (this.#refill !== undefined) await this.#writeKnown(ask, key, index)
    const since = this.#lateSince
    this.#lateSince = Number.POSITIVE_INFINITY
    return Number.isFinite(since) ? since : undefined
  }

  /** From the newest back to where the last look began. Answers what the index knows nothing of. */
  async read(ask: AskRedis, key: string, index: UsageIndex): Promise<Use[]> {
    const unknown: Use[] = []
    const now = this.#now()
    const since = this.#readTo - overlapMs
    let newest = this.#readTo
    for (let from = 0; ; from += usesPerCommand) {
      const page = scoresIn(await ask('ZREVRANGE', key, from, from + usesPerCommand - 1, 'WITHSCORES'))
      const fresh = page.filter(([member, at]) => at >= since && this.#seen.get(member) !== at)
      unknown.push(...(await useAll(index, fresh)))
      for (const [member, at] of fresh) this.#seen.set(member, at)
      newest = Math.max(newest, Math.min(now, page[0]?.[1] ?? 0))
      if (page.length < usesPerCommand || (page.at(-1)?.[1] ?? 0) < since) break
    }
    this.#readTo = newest
    return unknown
  }

  async tidy(ask: AskRedis, key: string): Promise<void> {
    await ask('ZREMRANGEBYRANK', key, 0, -mostUses - 1)
  }

  /** One page each time, so that many replicas with large indexes do no harm. */
  async #writeKnown(ask: AskRedis, key: string, index: UsageIndex): Promise<void> {
    const page = await index.oldest(usesPerCommand, this.#refill?.after)
    const scores = page.flatMap(({ repository, digest, usedAt }) => [usedAt, `${repository}@${digest}`])
    if (scores.length > 0) await ask('EVAL', useScript, 1, key, ...scores)
    const last = page.at(-1)
    this.#refill = last === undefined ? undefined : { after: last.cursor }
  }
}

async function useAll(index: UsageIndex, scores: readonly (readonly [string, number])[]): Promise<Use[]> {
  const byTime = new Map<number, Use[]>()
  for (const [member, at] of scores) {
    const used = usedOf(member)
    if (used === undefined) continue
    const [digest, tag] = 'tag' in used ? [await index.findTag(used.repository, used.tag), used.tag] : [used.digest, undefined]
    // Where a tag points is told by others than its use.
    if (digest === undefined) continue
    const use = { repository: used.repository, digest, tag }
    const uses = byTime.get(at)
    if (uses === undefined) byTime.set(at, [use])
    else uses.push(use)
  }
  const unknown: Use[] = []
  for (const [at, uses] of byTime) unknown.push(...(await index.use(uses, at)))
  return unknown
}

function pagesOf<Item>(items: readonly Item[]): Item[][] {
  const count = Math.ceil(items.length / usesPerCommand)
  return Array.from({ length: count }, (_, at) => items.slice(at * usesPerCommand, (at + 1) * usesPerCommand))
}

function scoresIn(reply: unknown): [string, number][] {
  if (!Array.isArray(reply)) return []
  return Array.from({ length: reply.length >> 1 }, (_, at) => [String(reply[2 * at]), Number(reply[2 * at + 1])])
}
