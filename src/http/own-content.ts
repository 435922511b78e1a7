// What it takes to keep content of one's own: where it goes, which names are ours, and what the configuration allows.
import type { WritableContent } from '../content-sink.ts'
import { MirroredError } from './error-response.ts'
import type { RepositoryName } from '../oci/names.ts'
import type { Locate } from './locations.ts'
import type { Naming } from './request-names.ts'
import type { TicketSecret } from './upload-ticket.ts'

export interface OwnContent {
  readonly content: WritableContent
  /** Whether a repository is kept here, and not mirrored. */
  readonly isOwn: (repository: RepositoryName) => boolean
  /** Whether its blobs may be mounted into what is ours; when not given, those of every repository may. */
  readonly isServed?: ((repository: RepositoryName) => boolean) | undefined
  /** storage.maintenance.readonly: nothing changes. */
  readonly isReadOnly: boolean
  /** storage.delete.enabled */
  readonly canDelete: boolean
  /** Whoever has it can make addresses of uploads. */
  readonly secret: TicketSecret
}

/** What the handlers of pushes and deletes share. */
export interface WriteParts {
  readonly content: WritableContent
  /** Throws for what is not ours, too: RegistryError UNSUPPORTED. */
  readonly naming: Naming
  /** Of what is mirrored, too. */
  readonly anyNaming: Naming
  readonly isServed: (repository: RepositoryName) => boolean
  readonly locate: Locate
  readonly secret: TicketSecret
}

export function createWriteParts(
  { content, isOwn, isServed = () => true, secret }: OwnContent,
  anyNaming: Naming,
  locate: Locate,
): WriteParts {
  const naming: Naming = (exchange, raw) => {
    const names = anyNaming(exchange, raw)
    if (isOwn(names.repository)) return names
    throw new MirroredError(`${names.asked} is mirrored: only repositories that proxy.local names can be pushed to or deleted from`)
  }
  return { content, naming, anyNaming, isServed, locate, secret }
}
