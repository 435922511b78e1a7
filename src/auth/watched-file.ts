// A small file that people edit while the server runs. Looked at when somebody asks, at most once a second, and read on the spot:
// whoever was struck from it an hour ago must not get one more answer, and reading some kilobytes takes microseconds.
import { readFileSync, statSync } from 'node:fs'
import type { Clock } from '../lib/clock.ts'
import type { Log } from '../telemetry/log.ts'

const lookEveryMs = 1000

export interface WatchedFileOptions<Content> {
  readonly path: string
  /** Throws Errors that say what is wrong with the text. */
  readonly parse: (text: string) => Content
  readonly clock: Clock
  readonly log: Log
}

/** Broken, half-written or missing, it keeps what it had. Emptied, it is believed when it still is at the next look. */
export class WatchedFile<Content> {
  readonly #options: WatchedFileOptions<Content>
  #content: Content
  #state: string
  #emptied: string | undefined
  #lookedAt: number

  /** Throws what reading and parsing throw. */
  constructor(options: WatchedFileOptions<Content>) {
    this.#options = options
    this.#state = stateOf(options.path)
    this.#content = options.parse(readFileSync(options.path, 'utf8'))
    this.#lookedAt = options.clock.now()
  }

  /** Another object each time it has changed. */
  get content(): Content {
    const now = this.#options.clock.now()
    if (now - this.#lookedAt >= lookEveryMs || now < this.#lookedAt) {
      this.#lookedAt = now
      this.#look()
    }
    return this.#content
  }

  #look(): void {
    const { path, parse, log } = this.#options
    const state = stateOf(path)
    if (state === this.#state) return
    try {
      const text = readFileSync(path, 'utf8')
      // Programs that rewrite a file in place empty it first.
      if (text.trim() === '' && this.#emptied !== state) {
        this.#emptied = state
        return
      }
      this.#content = parse(text)
      log.info({ path }, 'read a changed file')
    } catch (error) {
      log.warn({ path, error }, 'a changed file cannot be used; what was read before stays in force')
    }
    this.#state = state
  }
}

/** Something that changes with the file, also when it goes. */
function stateOf(path: string): string {
  const found = statSync(path, { throwIfNoEntry: false })
  return found === undefined ? 'missing' : `${found.mtimeMs} ${found.size} ${found.ino}`
}
