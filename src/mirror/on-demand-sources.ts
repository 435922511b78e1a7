// Registries that nobody has configured, made when they are asked for the first time. Few at a time: each has connections of its own.
import { LRUCache } from 'lru-cache'
import type { TransferSource } from '../content.ts'
import { errorText, type Log } from '../telemetry/log.ts'

const mostSources = 64

export interface ClosableSource extends TransferSource {
  close(): Promise<void>
}

export class OnDemandSources<Source extends ClosableSource> implements AsyncDisposable {
  readonly #sources: LRUCache<string, Source>
  readonly #open: (host: string) => Source
  readonly #closing = new Set<Promise<void>>()

  /** `open` connects to nothing yet. */
  constructor(open: (host: string) => Source, log: Log) {
    this.#open = open
    this.#sources = new LRUCache({
      max: mostSources,
      // A transfer that is cut by this goes on with the source that is made anew: so a resumed blob is all that it costs.
      dispose: (source, host) => {
        const closing = source
          .close()
          .catch((error: unknown) => log.debug({ host, reason: errorText(error) }, 'closing an upstream'))
          .finally(() => this.#closing.delete(closing))
        this.#closing.add(closing)
      },
    })
  }

  of(host: string): Source {
    const known = this.#sources.get(host)
    if (known !== undefined) return known
    const opened = this.#open(host)
    this.#sources.set(host, opened)
    return opened
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#sources.clear()
    await Promise.all(this.#closing)
  }
}
