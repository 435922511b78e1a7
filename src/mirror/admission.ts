// Which repositories may be pulled at all: in front of everything, so that a refused name costs neither a look into the store nor a
// request upstream.
import { LRUCache } from 'lru-cache'
import type { BlobDescription, BlobHandle, ContentSource, Manifest, ManifestDescription, Referrers } from '../content.ts'
import { compileGlobs } from '../lib/globs.ts'
import type { Digest } from '../oci/digest.ts'
import { RegistryError } from '../oci/errors.ts'
import { type Reference, type RepositoryName, type Tag, withLibrary } from '../oci/names.ts'
import type { Page, PageOf } from '../oci/pagination.ts'
import { publicNamesOf, type RoutingRules } from './routing.ts'

/** Globs on `<host>/<repository>`; without a host they are about the main upstream, to whose every name they then apply. */
export interface AdmissionRules {
  /** Empty: everything. */
  readonly allow: readonly string[]
  /** Stronger than `allow`. */
  readonly deny: readonly string[]
}

/** Decisions to remember; each costs some patterns otherwise, on each request. */
const mostDecisions = 10_000

/** `undefined`: nothing is refused. */
export function createAdmission(rules: AdmissionRules, routing: RoutingRules): ((repository: RepositoryName) => boolean) | undefined {
  if (rules.allow.length === 0 && rules.deny.length === 0) return undefined
  const isAllowed = compileGlobs(rules.allow.map((pattern) => withHost(pattern, routing)))
  const isDenied = compileGlobs(rules.deny.map((pattern) => withHost(pattern, routing)))
  const decisions = new LRUCache<RepositoryName, boolean>({ max: mostDecisions })
  return (repository) => {
    const known = decisions.get(repository)
    if (known !== undefined) return known
    const names = publicNamesOf(routing, repository)
    const decision = !names.some(isDenied) && (rules.allow.length === 0 || names.some(isAllowed))
    decisions.set(repository, decision)
    return decision
  }
}

/** `ghcr.io/**`, `**` and `*.corp/app` name hosts themselves; `nginx` and `grafana/*` are of the main upstream. */
function withHost(pattern: string, { main }: RoutingRules): string {
  const slash = pattern.indexOf('/')
  const first = slash < 0 ? '' : pattern.slice(0, slash)
  if (pattern.startsWith('**') || /[.:]/.test(first) || first === 'localhost') return `${first.toLowerCase()}${pattern.slice(first.length)}`
  return `${main.host}/${main.libraryPrefix ? withLibrary(pattern as RepositoryName) : pattern}`
}

/** Content of which only the admitted repositories exist for clients. Throws RegistryError DENIED for the others. */
export class AdmittedContent implements ContentSource {
  readonly #content: ContentSource
  readonly #isAdmitted: (repository: RepositoryName) => boolean

  constructor(content: ContentSource, isAdmitted: (repository: RepositoryName) => boolean) {
    this.#content = content
    this.#isAdmitted = isAdmitted
  }

  async describeManifest(repository: RepositoryName, reference: Reference, signal: AbortSignal): Promise<ManifestDescription | undefined> {
    return this.#admitted(repository).describeManifest(repository, reference, signal)
  }

  async findManifest(repository: RepositoryName, reference: Reference, signal: AbortSignal): Promise<Manifest | undefined> {
    return this.#admitted(repository).findManifest(repository, reference, signal)
  }

  recallManifest(repository: RepositoryName, reference: Reference): Manifest | undefined {
    return this.#isAdmitted(repository) ? this.#content.recallManifest?.(repository, reference) : undefined
  }

  async describeBlob(repository: RepositoryName, digest: Digest, signal: AbortSignal): Promise<BlobDescription | undefined> {
    return this.#admitted(repository).describeBlob(repository, digest, signal)
  }

  async findBlob(repository: RepositoryName, digest: Digest, signal: AbortSignal): Promise<BlobHandle | undefined> {
    return this.#admitted(repository).findBlob(repository, digest, signal)
  }

  async listTags(repository: RepositoryName, page: Page, signal: AbortSignal): Promise<PageOf<Tag> | undefined> {
    return this.#admitted(repository).listTags(repository, page, signal)
  }

  async listReferrers(
    repository: RepositoryName,
    subject: Digest,
    artifactType: string | undefined,
    signal: AbortSignal,
  ): Promise<Referrers | undefined> {
    return this.#admitted(repository).listReferrers(repository, subject, artifactType, signal)
  }

  #admitted(repository: RepositoryName): ContentSource {
    if (this.#isAdmitted(repository)) return this.#content
    throw new RegistryError('DENIED', 'requested access to the resource is denied', {
      detail: 'this mirror is configured not to serve the repository',
    })
  }
}
