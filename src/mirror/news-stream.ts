// A stream in Redis through which replicas tell each other what happened to the store. Each reads on where it stopped. What is to be told
// is kept while Redis is away, up to a bound; a stream that Redis has lost is told anew what this replica told last.
import { randomUUID } from 'node:crypto'
import { decodeNews, encodeNews, type UsageNews } from './usage-news.ts'

/** One command. Throws when Redis is away, at the latest after a bounded wait. */
export type AskRedis = (command: string, ...args: readonly (string | number)[]) => Promise<unknown>

/** Entries that are kept; each holds 16 kB at most, and a flush of a replica that has something to tell makes one. */
const mostEntries = 4000
/** Small enough for an answer within the bound of a command. */
const entriesPerRead = 16
const mostPending = 10_000
const mostTold = 1000
/** News from before an index is made may be about what its walk has passed already. */
const beforeStartMs = 60_000

interface Entry {
  readonly id: string
  readonly by: string
  readonly text: string
}

export class NewsStream {
  /** Who we are: what we told ourselves is no news. */
  readonly #id = randomUUID()
  readonly #now: () => number
  readonly #openedAt: number
  #pending: UsageNews[] = []
  /** Last told, to be told again when Redis has lost it. */
  #told: UsageNews[] = []
  /** The last entry that was read, or a time. */
  #place: string | undefined
  /** Whether an entry is at the place: without one nobody would notice that the stream is lost. */
  #isAnchored = false

  constructor(now: () => number) {
    this.#now = now
    this.#openedAt = now()
  }

  tell(news: UsageNews): void {
    if (this.#pending.length >= mostPending) this.#pending = [{ kind: 'lost' }]
    this.#pending.push(news)
  }

  /**
   * Hands on what others have told since the last time. `cut`: they have told so much that some of it is gone; `lost`: Redis has lost
   * the stream, and what we told is going to be told again. Throws what Redis throws; what was handed on comes no second time.
   */
  async read(ask: AskRedis, key: string, take: (news: UsageNews[]) => Promise<void>): Promise<'cut' | 'lost' | undefined> {
    let trouble: 'cut' | 'lost' | undefined
    this.#place ??= await this.#firstPlace(ask)
    for (;;) {
      const entries = entriesIn(await ask('XRANGE', key, this.#place, '+', 'COUNT', entriesPerRead))
      if (this.#isAnchored && entries[0]?.id !== this.#place) {
        trouble = await this.#leavePlace(ask, key)
        continue
      }
      const isEnd = entries.length < entriesPerRead
      if (this.#isAnchored) entries.shift()
      await take(entries.filter(({ by }) => by !== this.#id).flatMap(({ text }) => decodeNews(text)))
      const last = entries.at(-1)
      if (last !== undefined) {
        this.#place = last.id
        this.#isAnchored = true
      }
      if (isEnd) break
    }
    if (!this.#isAnchored) await this.#add(ask, key, '[]')
    return trouble
  }

  /** Throws what Redis throws; what was not told then is told the next time. */
  async write(ask: AskRedis, key: string): Promise<void> {
    for (const { text, count } of encodeNews(this.#pending)) {
      await this.#add(ask, key, text)
      this.#told = [...this.#told, ...this.#pending.splice(0, count)].slice(-mostTold)
    }
  }

  #add(ask: AskRedis, key: string, text: string): Promise<unknown> {
    return ask('XADD', key, 'MAXLEN', '~', mostEntries, '*', 'by', this.#id, 'news', text)
  }

  /** By the clock of Redis: a while before this index began. */
  async #firstPlace(ask: AskRedis): Promise<string> {
    const reply = await ask('TIME')
    const [seconds] = Array.isArray(reply) ? reply : []
    const openForMs = this.#now() - this.#openedAt
    return `${Math.max(0, Math.floor(Number(seconds) * 1000 - openForMs - beforeStartMs))}-0`
  }

  async #leavePlace(ask: AskRedis, key: string): Promise<'cut' | 'lost'> {
    const length = Number(await ask('XLEN', key))
    const [last] = entriesIn(await ask('XREVRANGE', key, '+', '-', 'COUNT', 1))
    this.#isAnchored = false
    if (length >= mostEntries / 2 && last !== undefined) {
      this.#place = last.id
      return 'cut'
    }
    this.#place = '0-0'
    this.#pending = [...this.#told, ...this.#pending].slice(-mostPending)
    this.#told = []
    return 'lost'
  }
}

function entriesIn(reply: unknown): Entry[] {
  if (!Array.isArray(reply)) return []
  return reply.map((entry: unknown) => {
    const [id, fields] = Array.isArray(entry) ? entry : []
    const [, by, , text] = Array.isArray(fields) ? fields : []
    return { id: String(id), by: String(by), text: String(text) }
  })
}
