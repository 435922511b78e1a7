// From pieces of a raw path and query to checked names. Routes match before anything is decoded, so `%2f` and `%2e%2e` arrive
// here, and end here: what leaves is a branded name that is safe in paths.
import { type Digest, parseDigest } from '../oci/digest.ts'
import { type ErrorCode, isRegistryError, RegistryError } from '../oci/errors.ts'
import { parseReference, parseRepositoryName, type Reference, type RepositoryName } from '../oci/names.ts'

/** Throws RegistryError NAME_INVALID. A slash that was encoded is no separator of components. */
export function repositoryIn(raw: string | undefined): RepositoryName {
  const name = decoded(raw, 'NAME_INVALID', 'invalid repository name')
  if (name !== raw && /%2f/i.test(raw ?? '')) throw new RegistryError('NAME_INVALID', 'invalid repository name', { detail: shortened(raw) })
  return parseRepositoryName(name)
}

/** Throws RegistryError DIGEST_INVALID or TAG_INVALID. */
export function referenceIn(raw: string | undefined): Reference {
  return parseReference(decoded(raw, 'TAG_INVALID', 'invalid tag name'))
}

/**
 * Of what is asked for or removed: by a name that no tag can have there is nothing, which is no fault of the request
 * (distribution-spec, "Pulling manifests": 404). Throws RegistryError DIGEST_INVALID or MANIFEST_UNKNOWN.
 */
export function existingReferenceIn(raw: string | undefined): Reference {
  try {
    return referenceIn(raw)
  } catch (error) {
    if (!isRegistryError(error, 'TAG_INVALID')) throw error
    throw new RegistryError('MANIFEST_UNKNOWN', 'manifest unknown', { detail: `unknown tag=${shortened(raw)}`, cause: error })
  }
}

/** Throws RegistryError DIGEST_INVALID. */
export function digestIn(raw: string | undefined): Digest {
  return parseDigest(decoded(raw, 'DIGEST_INVALID', 'invalid checksum digest format'))
}

function decoded(raw: string | undefined, code: ErrorCode, message: string): string {
  if (raw === undefined) throw new RegistryError(code, message)
  if (!raw.includes('%')) return raw
  try {
    return decodeURIComponent(raw)
  } catch (error) {
    throw new RegistryError(code, message, { detail: shortened(raw), cause: error })
  }
}

function shortened(text: string | undefined): string {
  return (text ?? '').slice(0, 255)
}

/**
 * The name under which content is known of what a client calls `name`, and of the registry that it names in `ns`, as containerd
 * and BuildKit do. `undefined`: of no registry that is served here, and never to be answered with the content of another.
 */
export type NameOf = (ns: string | undefined, name: RepositoryName) => RepositoryName | undefined

export interface AskedRepository {
  /** As the client calls it: what answers show. */
  readonly asked: RepositoryName
  /** As content is asked for it. */
  readonly repository: RepositoryName
}

export type Naming = (exchange: { readonly query: string }, raw: string | undefined) => AskedRepository

/** The naming throws RegistryError NAME_INVALID and NAME_UNKNOWN. */
export function createNaming(nameOf: NameOf): Naming {
  // The same few characters come with each request of a client; parsing them costs more than the route.
  let lastQuery = ''
  let lastNs: string | undefined
  return ({ query }, raw) => {
    const asked = repositoryIn(raw)
    const ns = query === lastQuery ? lastNs : namespaceIn(query)
    ;[lastQuery, lastNs] = [query, ns]
    const repository = nameOf(ns, asked)
    if (repository !== undefined) return { asked, repository }
    const detail = ns === undefined ? { name: asked } : { name: asked, ns: ns.slice(0, 255) }
    throw new RegistryError('NAME_UNKNOWN', 'repository name not known to registry', { detail })
  }
}

/** `undefined` where the client names no registry. Throws RegistryError NAME_UNKNOWN for one that names several. */
export function namespaceIn(query: string): string | undefined {
  if (query === '') return undefined
  const [first, ...others] = new Set(new URLSearchParams(query).getAll('ns').map((ns) => ns.toLowerCase()))
  if (others.length > 0) throw new RegistryError('NAME_UNKNOWN', 'repository name not known to registry', { detail: 'several ns' })
  return first === '' ? undefined : first
}

/**
 * The path inside the API, with the prefix taken off; `undefined` when it lies outside. Clients put a prefix in two places:
 * `/pfx/v2/…` (distribution's own, containerd) and `/v2/pfx/…` (BuildKit, podman, which also ping `/v2/` without it).
 */
export function pathInside(path: string, prefix: string): string | undefined {
  if (prefix === '' || path === '/' || path === '/v2/' || path === '/v2') return path
  if (path.startsWith(`${prefix}/`)) return path.slice(prefix.length)
  if (path.startsWith(`/v2${prefix}/`)) return `/v2${path.slice(3 + prefix.length)}`
  return undefined
}

/** `pfx`, `/pfx/` → `/pfx`; `/` → nothing. */
export function normalPrefix(prefix: string | undefined): string {
  const trimmed = (prefix ?? '').replace(/^\/+|\/+$/g, '')
  return trimmed === '' ? '' : `/${trimmed}`
}
