// Names of repositories, tags and references, checked at the door: past these parsers a name can't leave its folder.
import { type Digest, isDigest } from './digest.ts'
import { RegistryError } from './errors.ts'

declare const brand: unique symbol
/** `library/nginx`; safe as a path below the store's root. */
export type RepositoryName = string & { readonly [brand]: 'RepositoryName' }
export type Tag = string & { readonly [brand]: 'Tag' }
/** What a manifest is asked by. */
export type Reference = Digest | Tag

// distribution-spec, "Pulling manifests": <name> and <reference as a tag>. The first component may also be a host
// with upper case letters or a port, as in distribution's own grammar.
const component = '[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*'
const host = '(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])(?:\\.(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9]))*(?::[0-9]+)?'
const namePattern = new RegExp(`^(?:${host}/)?${component}(?:/${component})*$`)
const tagPattern = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/
const maxNameLength = 255

/** Throws RegistryError NAME_INVALID. */
export function parseRepositoryName(text: string): RepositoryName {
  if (text.length <= maxNameLength && namePattern.test(text)) return text as RepositoryName
  throw new RegistryError('NAME_INVALID', 'invalid repository name', { detail: text.slice(0, maxNameLength) })
}

export function isTag(text: string): text is Tag {
  return tagPattern.test(text)
}

/** Throws RegistryError TAG_INVALID. */
export function parseTag(text: string): Tag {
  if (isTag(text)) return text
  throw new RegistryError('TAG_INVALID', 'invalid tag name', { detail: text.slice(0, 200) })
}

/** A digest or a tag. Text with a colon can only be a digest. Throws RegistryError DIGEST_INVALID or TAG_INVALID. */
export function parseReference(text: string): Reference {
  if (isDigest(text)) return text
  if (text.includes(':')) throw new RegistryError('DIGEST_INVALID', 'invalid checksum digest format', { detail: text.slice(0, 200) })
  return parseTag(text)
}

export function isDigestReference(reference: Reference): reference is Digest {
  return reference.includes(':')
}

/** Docker Hub keeps its official images below `library/`: `nginx` → `library/nginx`. */
export function withLibrary(name: RepositoryName): RepositoryName {
  return name.includes('/') ? name : (`library/${name}` as RepositoryName)
}
