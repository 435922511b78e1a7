// The front door of notifications: what happened goes to every endpoint that wants to hear it. Nothing here can fail a request.
import { randomUUID } from 'node:crypto'
import type { Descriptor } from '../oci/descriptor.ts'
import type { Digest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/names.ts'
import type { Log } from '../telemetry/log.ts'
import type { Endpoint } from './endpoint.ts'
import { eventOf, type EventSource, type Happening } from './event.ts'

export interface NotifierOptions {
  readonly endpoints: readonly Pick<Endpoint, 'add'>[]
  readonly source: EventSource
  /** What a manifest refers to; `undefined`: events do not tell. */
  readonly referencesOf?: ((repository: RepositoryName, digest: Digest) => Promise<readonly Descriptor[]>) | undefined
  readonly log: Log
}

export class Notifier {
  readonly #options: NotifierOptions
  /** Looking references up takes a moment, in which no later event may overtake. */
  #last: Promise<void> = Promise.resolve()

  constructor(options: NotifierOptions) {
    this.#options = options
  }

  /** Never throws and waits for nothing. */
  tell(happening: Happening): void {
    const { referencesOf } = this.#options
    if (referencesOf === undefined) this.#send(happening, undefined)
    else this.#last = this.#last.then(() => this.#lookUp(happening, referencesOf))
  }

  async #lookUp(happening: Happening, referencesOf: NonNullable<NotifierOptions['referencesOf']>): Promise<void> {
    const { content, kind, repository, action } = happening
    let references: readonly Descriptor[] | undefined
    try {
      const isTold = kind === 'manifest' && content !== undefined && action !== 'delete'
      references = isTold ? await referencesOf(repository, content.digest) : undefined
    } catch (error) {
      this.#options.log.warn({ repository, error }, 'an event goes without references: the manifest cannot be read')
    }
    this.#send(happening, references)
  }

  #send(happening: Happening, references: readonly Descriptor[] | undefined): void {
    const { endpoints, source } = this.#options
    const event = eventOf(happening, { id: randomUUID(), source, references })
    for (const endpoint of endpoints) endpoint.add(event)
  }
}
