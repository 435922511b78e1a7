// What is kept here and can be pushed: all of a registry without `proxy`, what `proxy.local` names of a mirror. Part of compose.
import type { Mirror } from './mirror.ts'
import type { HttpSecret } from '../cluster/http-secret.ts'
import type { Config } from '../config/load.ts'
import type { ContentSource } from '../content.ts'
import type { OwnContent } from '../http/own-content.ts'
import type { NameOf } from '../http/request-names.ts'
import { createIsOwn, nameOfOwn, OwnAndMirrored } from '../mirror/own-repositories.ts'
import type { LocalContent } from '../store/local-content.ts'
import type { ManifestRules } from '../store/manifest-references.ts'

export interface Served {
  readonly content: ContentSource
  readonly nameOf: NameOf | undefined
  /** `undefined`: nothing can be pushed. */
  readonly own: OwnContent | undefined
}

export interface OwnParts {
  readonly store: LocalContent
  /** Of a configuration that has `proxy`. */
  readonly mirror: Mirror | undefined
  /** Called when something can be pushed. */
  readonly openSecret: () => Promise<HttpSecret>
}

export async function serveOwn(config: Config, { store, mirror, openSecret }: OwnParts): Promise<Served> {
  const isOwn = mirror === undefined ? () => true : createIsOwn(config.proxy?.local ?? [])
  if (isOwn === undefined) return { content: mirror?.content ?? store, nameOf: mirror?.nameOf, own: undefined }
  const own: OwnContent = {
    content: store,
    isOwn,
    isServed: isServedOf(isOwn, mirror),
    isReadOnly: config.storage.maintenance.readonly.enabled,
    canDelete: config.storage.delete.enabled,
    secret: await openSecret(),
  }
  if (mirror === undefined) return { content: store, nameOf: undefined, own }
  return { content: new OwnAndMirrored(isOwn, store, mirror.content), nameOf: nameOfOwn(isOwn, mirror.nameOf), own }
}

/** A mount reads, too: what `proxy.repositories` refuses is not read in this way either. */
function isServedOf(isOwn: OwnContent['isOwn'], mirror: Mirror | undefined): OwnContent['isServed'] {
  const isAdmitted = mirror?.isAdmitted
  return isAdmitted && ((repository) => isOwn(repository) || isAdmitted(repository))
}

/** `validation` of the configuration. Throws Errors that name the key of a pattern that is none. */
export function manifestRulesOf({ validation: { disabled, manifests } }: Config): ManifestRules {
  const { urls, indexes } = manifests
  return {
    disabled,
    urls: { allow: urls.allow.map(patternAt('allow')), deny: urls.deny.map(patternAt('deny')) },
    children: indexes.platforms === 'list' ? indexes.platformlist : indexes.platforms,
  }
}

function patternAt(key: 'allow' | 'deny'): (text: string) => RegExp {
  return (text) => {
    try {
      return new RegExp(text)
    } catch (error) {
      throw new Error(`validation.manifests.urls.${key}: ${text} is not a regular expression`, { cause: error })
    }
  }
}
