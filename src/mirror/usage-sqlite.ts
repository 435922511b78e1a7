// The usage index of one host: a SQLite file beside the store, or in memory. A write-ahead log that is not synced survives kill -9 of
// this process; a power cut may take the last seconds with it, and only those.
import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite'
import type { Digest } from '../oci/digest.ts'
import type { RepositoryName, Tag } from '../oci/names.ts'
import type { Log } from '../telemetry/log.ts'
import type { Arrival, ImageQuery, ImageUse, Imagined, Removal, Root, UsageIndex, Use, UsageTotals, WalkTarget } from './usage-index.ts'
import { openUsageFile } from './usage-file.ts'
import { questions } from './usage-schema.ts'

/** Rows that are written before others get their turn: a few milliseconds. */
const rowsPerTurn = 250

interface RootRow {
  readonly id: number
  readonly repository: RepositoryName
  readonly digest: Digest
  readonly isManifest: number
  readonly usedAt: number
  readonly content: number
  readonly repositoryId: number
  /** JSON. */
  readonly tags: string
}

interface RemovedRow {
  readonly content: number
  readonly size: number | null
  /** Another repository has it, too. */
  readonly isElsewhere: number
}

type Question = keyof typeof questions

const imagesIn = { used: 'imagesUsed', oldest: 'imagesOldest', name: 'imagesByName' } as const satisfies Record<string, Question>

type ImageRow = Omit<ImageUse, 'bytes'> & { readonly content: number; readonly repositoryId: number }

const nameOf = ({ repository, tag, digest }: ImageRow) => (tag === undefined ? `${repository}@${digest}` : `${repository}:${tag}`)
const comparison: Readonly<Record<keyof typeof imagesIn, (a: ImageRow, b: ImageRow) => number>> = {
  used: (a, b) => b.usedAt - a.usedAt,
  oldest: (a, b) => a.usedAt - b.usedAt,
  name: (a, b) => (nameOf(a) < nameOf(b) ? -1 : 1),
}

export class SqliteUsage implements UsageIndex {
  readonly #database: DatabaseSync
  readonly #statements = new Map<Question, StatementSync>()

  private constructor(database: DatabaseSync) {
    this.#database = database
  }

  /** `file`: `:memory:` for one that ends with the process. One that is damaged, or of another version, is renamed aside and made anew. */
  static async open(file: string, log: Log): Promise<SqliteUsage> {
    return new SqliteUsage(await openUsageFile(file, log))
  }

  async isComplete(): Promise<boolean> {
    return this.#meta('complete') === 1
  }

  async beginRebuild(): Promise<WalkTarget> {
    this.#run('setMeta', this.#meta('generation') + 1, 'generation')
    return this
  }

  async endRebuild(): Promise<void> {
    for (;;) {
      const rows = this.#all<{ digest: Digest; repository: RepositoryName }>('unseen', rowsPerTurn)
      if (rows.length === 0) break
      await this.#write(rows, ({ digest, repository }) => this.#drop(repository, digest))
    }
    this.#run('setMeta', 1, 'complete')
  }

  add(arrivals: readonly Arrival[]): Promise<void> {
    return this.#write(arrivals, (arrival) => this.#add(arrival))
  }

  async point(repository: RepositoryName, tag: Tag, digest: Digest, at: number): Promise<void> {
    this.#run('putTag', this.#repository(repository), tag, this.#content(digest), Math.floor(at))
  }

  async unpoint(repository: RepositoryName, tag: Tag): Promise<void> {
    this.#run('removeTag', this.#repository(repository), tag)
  }

  drop(repository: RepositoryName, digest: Digest): Promise<void> {
    return this.#write([digest], () => this.#drop(repository, digest))
  }

  async use(uses: readonly Use[], at: number): Promise<Use[]> {
    const unknown: Use[] = []
    await this.#write(uses, (use) => {
      const entry = this.#all<{ id: number; content: number; repository: number }>('entry', use.digest, use.repository)[0]
      if (entry === undefined) return void unknown.push(use)
      this.#run('useBelow', entry.id, entry.repository, Math.floor(at))
      if (use.tag !== undefined) this.#run('putTag', entry.repository, use.tag, entry.content, Math.floor(at))
    })
    return unknown
  }

  async totals(): Promise<UsageTotals> {
    return { bytes: this.#meta('bytes'), blobs: this.#meta('blobs') }
  }

  async oldest(limit: number, after = '-1:0'): Promise<Root[]> {
    const [usedAt = 0, id = 0] = after.split(':').map(Number)
    return this.#all<RootRow>('oldest', usedAt, id, limit).map(rootOf)
  }

  async parentsOf({ repository, digest }: Root): Promise<{ digest: Digest; tags: Tag[] }[]> {
    const row = this.#all<RootRow>('root', digest, repository)[0]
    if (row === undefined) return []
    const rows = this.#all<{ digest: Digest; tags: string }>('parents', row.content, row.repositoryId)
    return rows.map((parent) => ({ digest: parent.digest, tags: JSON.parse(parent.tags) as Tag[] }))
  }

  async removalOf(root: Root, imagined?: Imagined): Promise<Removal> {
    const links: { digest: Digest; kind: Root['kind'] }[] = []
    const blobs: { digest: Digest; size: number }[] = []
    const own = this.#all<RemovedRow & { id: number; repository: number }>('removed', root.digest, root.repository)[0]
    if (own === undefined) return { root, links, blobs }
    const unlink = ({ content, size, isElsewhere }: RemovedRow, digest: Digest, kind: Root['kind']) => {
      links.push({ digest, kind })
      const isLast = isElsewhere === 0 || this.#isLast(imagined, `link ${content}`, 'linksTo', content)
      if (isLast && size !== null) blobs.push({ digest, size })
    }
    unlink(own, root.digest, root.kind)
    type Below = RemovedRow & { digest: Digest; isNeeded: number }
    for (const row of this.#all<Below>('blobsBelow', own.id, own.repository)) {
      const { content, digest, isNeeded } = row
      if (isNeeded === 0 || this.#isLast(imagined, `need ${own.repository} ${content}`, 'needsFor', content, own.repository))
        unlink(row, digest, 'blob')
    }
    return { root, links, blobs }
  }

  /** Whether nothing is left of what the question counts, when one more of it is imagined to be gone. */
  #isLast(imagined: Imagined | undefined, key: string, question: 'linksTo' | 'needsFor', ...values: number[]): boolean {
    if (imagined === undefined) return false
    const left = (imagined.get(key) ?? this.#all<{ count: number }>(question, ...values)[0]?.count ?? 0) - 1
    imagined.set(key, left)
    return left <= 0
  }

  async find(repository: RepositoryName, digest: Digest): Promise<Root | undefined> {
    const row = this.#all<RootRow>('root', digest, repository)[0]
    return row === undefined ? undefined : rootOf(row)
  }

  async findTag(repository: RepositoryName, tag: Tag): Promise<Digest | undefined> {
    return this.#all<{ digest: Digest }>('tag', repository, tag)[0]?.digest
  }

  async repositoriesOf(digest: Digest): Promise<RepositoryName[]> {
    return this.#all<{ name: RepositoryName }>('repositoriesOf', digest).map(({ name }) => name)
  }

  async images({ search = '', order = 'used', limit, offset = 0 }: ImageQuery): Promise<ImageUse[]> {
    const tagged = this.#all<ImageRow>(imagesIn[order], search, offset + limit, 0)
    const untagged = this.#all<Omit<ImageRow, 'tag'>>('untagged', search).map((row): ImageRow => ({ ...row, tag: undefined }))
    const rows = untagged.length === 0 ? tagged : [...tagged, ...untagged].sort(comparison[order])
    return rows.slice(offset, offset + limit).map(({ content, repositoryId, ...image }) => {
      return { ...image, bytes: this.#bytesBelow(content, repositoryId) }
    })
  }

  async bytesOf(repository: RepositoryName, digest: Digest): Promise<number> {
    const row = this.#all<RootRow>('root', digest, repository)[0]
    return row === undefined ? 0 : this.#bytesBelow(row.content, row.repositoryId)
  }

  async pins(): Promise<string[]> {
    return this.#all<{ pattern: string }>('pins').map(({ pattern }) => pattern)
  }

  async pin(pattern: string): Promise<void> {
    this.#run('pin', pattern)
  }

  async unpin(pattern: string): Promise<boolean> {
    return this.#run('unpin', pattern) > 0
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#statements.clear()
    if (this.#database.isOpen) this.#database.close()
  }

  #bytesBelow(content: number, repositoryId: number): number {
    return this.#all<{ bytes: number }>('bytesBelow', content, repositoryId)[0]?.bytes ?? 0
  }

  #add({ repository, digest, size, references, usedAt }: Arrival): void {
    const repositoryId = this.#repository(repository)
    const content = this.#content(digest)
    this.#run('setSize', size, content, size)
    const isManifest = references === undefined ? 0 : 1
    const isRoot = isManifest === 1 || this.#all('isNeeded', content, repositoryId)[0] === undefined ? 1 : 0
    const facts = [isManifest, isRoot, Math.floor(usedAt)]
    const id = this.#all<{ id: number }>('addEntry', content, repositoryId, ...facts)[0]?.id ?? 0
    for (const reference of references ?? []) {
      const needed = this.#content(reference)
      if (this.#run('addNeed', id, needed, repositoryId) > 0) this.#run('coverBlob', needed, repositoryId)
    }
  }

  #drop(repository: RepositoryName, digest: Digest): void {
    const entry = this.#all<{ id: number; content: number; repository: number }>('entry', digest, repository)[0]
    if (entry === undefined) return
    const needs = this.#all<{ content: number }>('needsOf', entry.id)
    this.#run('removeNeeds', entry.id)
    this.#run('removeEntry', entry.id)
    this.#run('removeTagsOf', entry.content, entry.repository)
    for (const { content } of needs) {
      this.#run('looseAmong', content, entry.repository)
      this.#tidy(content)
    }
    this.#tidy(entry.content)
  }

  /** What no repository has and no manifest names is forgotten; what is only named has no bytes here. */
  #tidy(content: number): void {
    if (this.#all('hasEntries', content)[0] !== undefined) return
    if (this.#all('hasNeeds', content)[0] === undefined) this.#run('removeContent', content)
    else this.#run('setSize', null, content, null)
  }

  #repository(name: RepositoryName): number {
    const row = this.#all<{ id: number }>('repositoryId', name)[0] ?? this.#all<{ id: number }>('addRepository', name)[0]
    return row?.id ?? 0
  }

  #content(digest: Digest): number {
    const row = this.#all<{ id: number }>('contentId', digest)[0] ?? this.#all<{ id: number }>('addContent', digest)[0]
    return row?.id ?? 0
  }

  #meta(name: 'complete' | 'generation' | 'bytes' | 'blobs'): number {
    return this.#all<{ value: number }>('meta', name)[0]?.value ?? 0
  }

  /** In transactions of few rows, with a pause for others between them. */
  async #write<Item>(items: readonly Item[], write: (item: Item) => void): Promise<void> {
    for (let next = 0; next < items.length; next += rowsPerTurn) {
      if (next > 0) await new Promise((resolve) => setImmediate(resolve))
      this.#database.exec('BEGIN IMMEDIATE')
      try {
        for (const item of items.slice(next, next + rowsPerTurn)) write(item)
        this.#database.exec('COMMIT')
      } catch (error) {
        this.#database.exec('ROLLBACK')
        throw error
      }
    }
  }

  #statement(question: Question): StatementSync {
    const known = this.#statements.get(question)
    if (known !== undefined) return known
    const statement = this.#database.prepare(questions[question])
    this.#statements.set(question, statement)
    return statement
  }

  #all<Row>(question: Question, ...values: SQLInputValue[]): Row[] {
    return this.#statement(question).all(...values) as Row[]
  }

  /** Rows that changed. */
  #run(question: Question, ...values: SQLInputValue[]): number {
    return Number(this.#statement(question).run(...values).changes)
  }
}

function rootOf({ id, repository, digest, isManifest, usedAt, tags }: RootRow): Root {
  const kind = isManifest === 1 ? 'manifest' : 'blob'
  return { repository, digest, kind, usedAt, tags: JSON.parse(tags) as Tag[], cursor: `${usedAt}:${id}` }
}
