// What is kept here and can be pushed: all of a registry without `proxy`, what `proxy.local` names of a mirror. Part of compose.
import { randomBytes } from 'node:crypto'
import type { Mirror } from './mirror.ts'
import type { Config } from '../config/load.ts'
import type { ContentSource } from '../content.ts'
import type { OwnContent } from '../http/own-content.ts'
import type { NameOf } from '../http/request-names.ts'
import { createIsOwn, nameOfOwn, OwnAndMirrored } from '../mirror/own-repositories.ts'
import type { LocalContent } from '../store/local-content.ts'
import type { ManifestRules } from '../store/manifest-references.ts'
import type { Log } from '../telemetry/log.ts'

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
  /** Where several processes have agreed on one; `undefined`: from the configuration, or at random. */
  readonly secret: string | undefined
  readonly log: Log
}

export function serveOwn(config: Config, { store, mirror, secret, log }: OwnParts): Served {
  const isOwn = mirror === undefined ? () => true : createIsOwn(config.proxy?.local ?? [])
  if (isOwn === undefined) return { content: mirror?.content ?? store, nameOf: mirror?.nameOf, own: undefined }
  const own: OwnContent = {
    content: store,
    isOwn,
    isReadOnly: config.storage.maintenance.readonly.enabled,
    canDelete: config.storage.delete.enabled,
    secret: secret ?? secretOf(config, log),
  }
  if (mirror === undefined) return { content: store, nameOf: undefined, own }
  return { content: new OwnAndMirrored(isOwn, store, mirror.content), nameOf: nameOfOwn(isOwn, mirror.nameOf), own }
}

function secretOf({ http, storage }: Config, log: Log): string {
  if (http.secret !== undefined) return http.secret
  if (!storage.maintenance.readonly.enabled) {
    log.warn(
      {},
      'http.secret is not set, so a random one is used: uploads in progress will not survive a restart, nor a load balancer before several registries. Set http.secret or REGISTRY_HTTP_SECRET',
    )
  }
  return randomBytes(32).toString('hex')
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
