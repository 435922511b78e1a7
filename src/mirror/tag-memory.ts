// When did upstream last confirm what a tag points at? Distribution's layout has no place for it, so it is kept in memory;
// losing it costs one question to upstream.
import { LRUCache } from 'lru-cache'
import type { Descriptor } from '../oci/descriptor.ts'
import type { RepositoryName, Tag } from '../oci/names.ts'

export interface TagFact {
  readonly descriptor: Descriptor
  /** Milliseconds since 1970. */
  readonly confirmedAt: number
}

const mostTags = 100_000

export class TagMemory {
  readonly #facts = new LRUCache<string, TagFact>({ max: mostTags })

  recall(repository: RepositoryName, tag: Tag): TagFact | undefined {
    return this.#facts.get(keyOf(repository, tag))
  }

  remember(repository: RepositoryName, tag: Tag, fact: TagFact): void {
    this.#facts.set(keyOf(repository, tag), fact)
  }

  forget(repository: RepositoryName, tag: Tag): void {
    this.#facts.delete(keyOf(repository, tag))
  }
}

/** Tags hold no colon, so two tags never share a key. */
export function keyOf(repository: RepositoryName, tag: Tag): string {
  return `${repository}:${tag}`
}
