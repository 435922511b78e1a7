// Several registries as one source of content: the name says which of them is asked, and is given to it as it knows it.
import type { Standing, TransferSource } from '../content.ts'
import type { RepositoryName } from '../oci/names.ts'
import { type ForwardedQuestion, ForwardingSource, type PutQuestion } from './forwarding-source.ts'
import { destinationOf, type RoutingRules } from './routing.ts'

export interface RoutedUpstreamsOptions {
  readonly rules: RoutingRules
  /** The registry of this host; `undefined`: the main one. */
  readonly sourceOf: (host: string | undefined) => TransferSource
}

/** Of a name that no registry is served for, there is none. */
export class RoutedUpstreams extends ForwardingSource {
  readonly #options: RoutedUpstreamsOptions

  constructor(options: RoutedUpstreamsOptions) {
    super()
    this.#options = options
  }

  standing(repository: RepositoryName): Standing {
    const destination = destinationOf(this.#options.rules, repository)
    if (destination === undefined) return { name: repository, pausedUntil: 0, pullsLeft: undefined }
    return this.#options.sourceOf(destination.host).standing(destination.repository)
  }

  protected async forward<T>({ repository }: ForwardedQuestion, put: PutQuestion<T>): Promise<T | undefined> {
    const destination = destinationOf(this.#options.rules, repository)
    if (destination === undefined) return undefined
    return put(this.#options.sourceOf(destination.host), destination.repository)
  }
}
