// What the usage indexes of replicas tell each other through Redis. The store is the truth, and losing any of this costs nothing but
// the order in which things go:
//
//   entrepot:usage:{<store>}:used   a sorted set: repository@digest, repository:tag → last use (milliseconds since 1970)
//   entrepot:usage:{<store>}:news   a stream of {by, news}: arrivals, tags, removals; the newest few thousand entries
import type { Clock } from '../lib/clock.ts'
import type { Log } from '../telemetry/log.ts'
import { type AskRedis, NewsStream } from './news-stream.ts'
import { SharedUses } from './shared-uses.ts'
import type { Exchanged, UsageIndex, Use } from './usage-index.ts'
import type { UsageNews } from './usage-news.ts'

export interface ExchangeParts {
  readonly redis: { ask: AskRedis }
  /** The same for all who share the store. Throws when nobody can tell now. */
  readonly storeId: () => Promise<string>
  readonly clock: Clock
  readonly log: Log
}

/** What was used elsewhere is asked for so often even when nobody wants to know. */
const usesEveryMs = 60_000
/** Of a store that is gone, all this goes, too. */
const lifeMs = 30 * 24 * 3_600_000
const tidyEvery = 64

interface Keys {
  readonly used: string
  readonly news: string
}

export class UsageExchange {
  readonly #parts: ExchangeParts
  readonly #news: NewsStream
  readonly #uses: SharedUses
  #keys: Keys | undefined
  #isOutdated = false
  #usesReadAt = Number.NEGATIVE_INFINITY
  #turns = 0

  constructor(parts: ExchangeParts) {
    this.#parts = parts
    const now = () => parts.clock.now()
    this.#news = new NewsStream(now)
    this.#uses = new SharedUses(now)
  }

  tell(news: UsageNews): void {
    this.#news.tell(news)
  }

  used(uses: readonly Use[], at: number): void {
    this.#uses.use(uses, at)
  }

  /** Members of the set of uses whose content, or tag, is here no more. */
  forget(members: readonly string[]): void {
    this.#uses.forget(members)
  }

  /** A walk over the store begins: it will know what was missed until now. */
  walks(): void {
    this.#isOutdated = false
  }

  /** Never rejects. What is told goes no further than `index`. */
  async exchange(index: UsageIndex, isThorough: boolean): Promise<Exchanged> {
    const doubtful: Use[] = []
    try {
      this.#keys ??= await this.#openKeys()
      await this.#exchange(this.#keys, index, isThorough, doubtful)
    } catch (error) {
      const isAway = error instanceof Error && error.name === 'RedisAway'
      if (!isAway) this.#parts.log.debug({ error }, 'what replicas tell each other of uses could not be read or written')
    }
    return { doubtful, isOutdated: this.#isOutdated }
  }

  async #openKeys(): Promise<Keys> {
    const prefix = `entrepot:usage:{${await this.#parts.storeId()}}`
    return { used: `${prefix}:used`, news: `${prefix}:news` }
  }

  async #exchange(keys: Keys, index: UsageIndex, isThorough: boolean, doubtful: Use[]): Promise<void> {
    const { clock, log, redis } = this.#parts
    const ask: AskRedis = (command, ...args) => redis.ask(command, ...args)
    const trouble = await this.#news.read(ask, keys.news, (news) => this.#learn(index, news, doubtful))
    if (trouble === 'cut') this.#isOutdated = true
    if (trouble === 'lost') {
      log.info({}, 'Redis has lost what replicas know of uses: it is told again')
      this.#uses.refill()
    }
    await this.#news.write(ask, keys.news)
    const lateSince = await this.#uses.write(ask, keys.used, index)
    if (lateSince !== undefined) {
      this.tell({ kind: 'late', since: lateSince })
      await this.#news.write(ask, keys.news)
    }
    const isDue = isThorough || clock.now() - this.#usesReadAt >= usesEveryMs
    // An index that is being made would have to look each of them up in the store.
    if (isDue && (await index.isComplete())) {
      doubtful.push(...(await this.#uses.read(ask, keys.used, index)))
      this.#usesReadAt = clock.now()
    }
    if (this.#turns++ % tidyEvery !== 0) return
    await this.#uses.tidy(ask, keys.used)
    for (const key of [keys.used, keys.news]) await ask('PEXPIRE', key, lifeMs)
  }

  async #learn(index: UsageIndex, news: readonly UsageNews[], doubtful: Use[]): Promise<void> {
    for (const each of news) {
      if (each.kind === 'added') await index.add([each])
      else if (each.kind === 'pointed') await index.point(each.repository, each.tag, each.digest, each.at)
      else if (each.kind === 'unpointed') await index.unpoint(each.repository, each.tag)
      else if (each.kind === 'late') this.#uses.readAgain(each.since)
      else if (each.kind === 'lost') this.#isOutdated = true
      else await dropUnlessUsed(index, each, doubtful)
    }
  }
}

/** Who drops something and who has it back may tell of it in any order. */
async function dropUnlessUsed(
  index: UsageIndex,
  { repository, digest, at }: UsageNews & { kind: 'dropped' },
  doubtful: Use[],
): Promise<void> {
  const known = await index.find(repository, digest)
  if ((known?.usedAt ?? 0) > at) doubtful.push({ repository, digest, tag: undefined })
  else await index.drop(repository, digest)
}
