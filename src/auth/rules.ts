// `auth.access` and `auth.anonymous`: who may do what. Pure.
import { compileGlobs, type Glob } from '../lib/globs.ts'
import type { Action, Principal, Wanted } from './access.ts'

export interface AccessRule {
  /** Names; `*`: whoever is logged in. */
  readonly user: readonly string[]
  readonly group: readonly string[]
  /** Globs; none: every repository. */
  readonly repository: readonly string[]
  readonly actions: readonly (Action | '*')[]
}

export interface AccessRules {
  /** None: whoever is logged in may do everything. A rule without users and groups is for everybody. */
  readonly rules: readonly AccessRule[]
  /** What may be done without a name. */
  readonly anonymous: 'none' | 'pull'
}

/** Whether all that is wanted is allowed to the principal. */
export type MayDo = (principal: Principal, wanted: readonly Wanted[]) => boolean

export function compileRules({ rules, anonymous }: AccessRules): MayDo {
  const compiled = rules.map(compileRule)
  const holds = (principal: Principal, want: Wanted): boolean => {
    if (want.kind === 'ping') return principal.name !== undefined
    if (principal.name === undefined && (anonymous === 'none' || want.kind !== 'repository' || !isReading(want.actions))) return false
    if (compiled.length === 0) return true
    const own = compiled.filter((rule) => rule.isFor(principal))
    // The names of all repositories are for those who may pull them all.
    if (want.kind === 'catalog') return own.some((rule) => rule.isForAll && rule.actions.has('pull'))
    // Whoever operates the server may do everything with every repository.
    if (want.kind === 'operation') return own.some(({ isForAll, actions }) => isForAll && impliedBy('*').every((each) => actions.has(each)))
    return want.actions.every((action) => own.some((rule) => rule.actions.has(action) && rule.matches(want.repository)))
  }
  return (principal, wanted) => wanted.every((want) => holds(principal, want))
}

function isReading(actions: readonly Action[]): boolean {
  return actions.every((action) => action === 'pull')
}

interface CompiledRule {
  readonly isFor: (principal: Principal) => boolean
  readonly matches: Glob
  readonly isForAll: boolean
  readonly actions: ReadonlySet<Action>
}

function compileRule({ user, group, repository, actions }: AccessRule): CompiledRule {
  const users = new Set(user)
  const groups = new Set(group)
  return {
    isFor: ({ name, groups: its }) => {
      if (users.size === 0 && groups.size === 0) return true
      if (name === undefined) return false
      return users.has(name) || users.has('*') || its.some((each) => groups.has(each))
    },
    matches: repository.length === 0 ? () => true : compileGlobs(repository),
    isForAll: repository.length === 0 || repository.includes('**'),
    actions: new Set(actions.flatMap(impliedBy)),
  }
}

/** Nobody can push without looking what is there. */
function impliedBy(action: Action | '*'): readonly Action[] {
  if (action === '*') return ['pull', 'push', 'delete']
  return action === 'push' ? ['pull', 'push'] : [action]
}
