// Which freshness policy holds for a tag: the first rule that matches `repository:tag`, else the general one. Pure.
import { compileGlob, type Glob } from '../lib/globs.ts'
import type { RepositoryName, Tag } from '../oci/names.ts'
import type { FreshnessPolicy } from './freshness.ts'

export interface TagRule extends Partial<Pick<FreshnessPolicy, 'ttlSeconds' | 'staleWhileRevalidateSeconds' | 'staleIfErrorSeconds'>> {
  /** A glob on `repository:tag`: `library/*:latest`. */
  readonly match: string
}

export class TagPolicies {
  readonly #general: FreshnessPolicy
  readonly #rules: readonly { readonly fits: Glob; readonly policy: FreshnessPolicy }[]

  constructor(general: FreshnessPolicy, rules: readonly TagRule[]) {
    this.#general = general
    this.#rules = rules.map(({ match, ...changes }) => ({ fits: compileGlob(match), policy: { ...general, ...changes } }))
  }

  of(repository: RepositoryName, tag: Tag): FreshnessPolicy {
    return this.#rules.find(({ fits }) => fits(`${repository}:${tag}`))?.policy ?? this.#general
  }
}
