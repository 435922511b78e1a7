// What endpoints are told, and who wants to hear it. Pure. Forms and words are distribution's (notifications/event.go).
import type { Descriptor } from '../oci/descriptor.ts'
import type { Digest } from '../oci/digest.ts'
import type { RepositoryName, Tag } from '../oci/names.ts'

export type EventAction = 'pull' | 'push' | 'mount' | 'delete'

export const eventsMediaType = 'application/vnd.docker.distribution.events.v2+json'

/** What happened, as HTTP saw it. */
export interface Happening {
  readonly action: EventAction
  readonly kind: 'manifest' | 'blob'
  readonly repository: RepositoryName
  /** `undefined` where a tag was deleted. A delete knows the digest only. */
  readonly content?: Descriptor | { readonly digest: Digest } | undefined
  readonly tag?: Tag | undefined
  readonly fromRepository?: RepositoryName | undefined
  /** Not of deletes. */
  readonly url?: string | undefined
  /** Milliseconds since 1970. */
  readonly at: number
  readonly request: RequestRecord
  readonly user?: string | undefined
}

export interface RequestRecord {
  readonly id: string
  /** Of the client, with its port where it is known. */
  readonly addr: string
  readonly host: string
  readonly method: string
  readonly useragent: string
}

export interface EventSource {
  /** Host name and port of this server. */
  readonly addr: string
  /** Differs from start to start. */
  readonly instanceID: string
}

interface Target {
  readonly mediaType?: string
  readonly size?: number
  readonly digest?: Digest
  readonly length?: number
  readonly repository: RepositoryName
  readonly fromRepository?: RepositoryName
  readonly url?: string
  readonly tag?: Tag
  readonly references?: readonly Descriptor[]
}

export interface RegistryEvent {
  readonly id: string
  /** RFC 3339. */
  readonly timestamp: string
  readonly action: EventAction
  readonly target: Target
  readonly request: RequestRecord
  readonly actor: { readonly name?: string }
  readonly source: EventSource
}

export interface EventOrigin {
  readonly id: string
  readonly source: EventSource
  /** What a manifest refers to, where events are to have it. */
  readonly references?: readonly Descriptor[] | undefined
}

export function eventOf(happening: Happening, { id, source, references = [] }: EventOrigin): RegistryEvent {
  const { content, repository, fromRepository, url, tag, user } = happening
  return {
    id,
    timestamp: new Date(happening.at).toISOString(),
    action: happening.action,
    target: {
      ...describedBy(content),
      repository,
      ...(fromRepository === undefined ? {} : { fromRepository }),
      ...(url === undefined ? {} : { url }),
      ...(tag === undefined ? {} : { tag }),
      ...(references.length === 0 ? {} : { references }),
    },
    request: happening.request,
    actor: user === undefined ? {} : { name: user },
    source,
  }
}

function describedBy(content: Happening['content']): Pick<Target, 'mediaType' | 'size' | 'digest' | 'length'> {
  if (content === undefined) return {}
  const { digest } = content
  return 'size' in content ? { mediaType: content.mediaType, size: content.size, digest, length: content.size } : { digest }
}

/** The body of a request to an endpoint: one event, indented as distribution does. */
export function envelopeOf(event: RegistryEvent): string {
  return JSON.stringify({ events: [event] }, undefined, 3)
}

export interface EventFilter {
  readonly mediaTypes: readonly string[]
  readonly actions: readonly string[]
}

export function isIgnored({ action, target }: RegistryEvent, { mediaTypes, actions }: EventFilter): boolean {
  return actions.includes(action) || (target.mediaType !== undefined && mediaTypes.includes(target.mediaType))
}
