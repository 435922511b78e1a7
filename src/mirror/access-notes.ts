// What was public when upstream said so last, in a file beside the content: a mirror that is started while upstream is down goes on
// serving what is everybody's. Only for a process that is alone; several keep such facts in Redis.
import { LRUCache } from 'lru-cache'
import type { Clock } from '../lib/clock.ts'
import type { Log } from '../telemetry/log.ts'
import { isJudgement, type Judgement } from './access-verdicts.ts'

const mostNotes = 50_000
/** A crash loses what was learnt in this time. */
const saveEveryMs = 10_000

export interface NotesOptions {
  readonly file: {
    read(path: string): Promise<Uint8Array | undefined>
    write(path: string, bytes: Uint8Array): Promise<void>
  }
  readonly path: string
  readonly clock: Clock
  readonly log: Log
}

export class PublicNotes implements AsyncDisposable {
  readonly #options: NotesOptions
  readonly #notes = new LRUCache<string, { readonly judgement: Judgement; readonly until: number }>({ max: mostNotes })
  readonly #stop = new AbortController()
  #isDirty = false
  #saving: Promise<void> | undefined

  private constructor(options: NotesOptions) {
    this.#options = options
  }

  /** A file that cannot be read is one that says nothing. */
  static async open(options: NotesOptions): Promise<PublicNotes> {
    const notes = new PublicNotes(options)
    try {
      const bytes = await options.file.read(options.path)
      notes.#load(bytes === undefined ? [] : JSON.parse(new TextDecoder().decode(bytes)))
    } catch (error) {
      options.log.warn({ file: options.path, error }, 'what is public cannot be read back: it is asked upstream anew')
    }
    return notes
  }

  async find(keys: readonly string[]): Promise<readonly unknown[]> {
    return keys.map((key) => this.#notes.get(key)?.judgement)
  }

  /** In the background. */
  put(key: string, judgement: Judgement, ttlMs: number): void {
    if (judgement.verdict === 'granted') this.#notes.set(key, { judgement, until: this.#options.clock.now() + ttlMs })
    else if (!this.#notes.delete(key)) return
    this.#isDirty = true
    this.#saving ??= this.#saveSoon()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error('the mirror is stopping'))
    await this.#saving
  }

  async #saveSoon(): Promise<void> {
    const { clock } = this.#options
    while (this.#isDirty) {
      await clock.sleep(saveEveryMs, this.#stop.signal).catch(() => undefined)
      this.#isDirty = false
      await this.#save(clock.now())
    }
    this.#saving = undefined
  }

  async #save(now: number): Promise<void> {
    const { file, path, log } = this.#options
    const lines = [...this.#notes].filter(([, { until }]) => until > now).map(([key, { judgement, until }]) => [key, judgement.at, until])
    try {
      await file.write(path, Buffer.from(JSON.stringify(lines)))
    } catch (error) {
      log.warn({ file: path, error }, 'what is public cannot be kept: after a restart it is asked upstream anew')
    }
  }

  #load(lines: unknown): void {
    if (!Array.isArray(lines)) throw new SyntaxError('not a list')
    const now = this.#options.clock.now()
    // The file begins with what was used last; what is put in last stays longest.
    for (const line of lines.toReversed() as unknown[]) {
      const [key, at, until] = Array.isArray(line) ? (line as unknown[]) : []
      const judgement = { verdict: 'granted', at }
      if (typeof key === 'string' && typeof until === 'number' && until > now && isJudgement(judgement))
        this.#notes.set(key, { judgement, until })
    }
  }
}
