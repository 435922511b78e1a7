// What a token says, and whether it says it to us and now (distribution's token specification, "Token Authentication Implementation"). Pure.
import type { Access } from './access.ts'

/** Clocks differ; distribution's own leeway. */
const leewaySeconds = 60

export interface ClaimRules {
  readonly issuer: string
  readonly service: string
}

export interface Grant {
  /** `undefined`: whoever has it. */
  readonly subject: string | undefined
  readonly notBeforeSeconds: number
  readonly expiresAtSeconds: number
  /** `type:name` → actions. */
  readonly actions: ReadonlyMap<string, ReadonlySet<string>>
}

/** `undefined`: of another issuer, for another service, or not made as a token is. Time is judged by `isCurrent`. */
export function parseClaims(payload: Uint8Array, { issuer, service }: ClaimRules): Grant | undefined {
  const claims = objectIn(payload)
  if (claims?.['iss'] !== issuer || !isFor(claims['aud'], service)) return undefined
  const { exp = 0, nbf = 0, sub = '' } = claims
  if (typeof exp !== 'number' || typeof nbf !== 'number' || typeof sub !== 'string') return undefined
  const actions = actionsIn(claims['access'])
  if (actions === undefined) return undefined
  return { subject: sub === '' ? undefined : sub, notBeforeSeconds: nbf, expiresAtSeconds: exp, actions }
}

export function isCurrent({ notBeforeSeconds, expiresAtSeconds }: Grant, now: number): boolean {
  return now >= (notBeforeSeconds - leewaySeconds) * 1000 && now <= (expiresAtSeconds + leewaySeconds) * 1000
}

export function grants({ actions }: Grant, { type, name, action }: Access): boolean {
  const its = actions.get(`${type}:${name}`)
  return its !== undefined && (its.has(action) || its.has('*'))
}

function isFor(audience: unknown, service: string): boolean {
  return Array.isArray(audience) ? audience.includes(service) : audience === service
}

function objectIn(payload: Uint8Array): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(payload).toString())
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}

function actionsIn(access: unknown = []): Map<string, Set<string>> | undefined {
  if (access === null) return new Map()
  if (!Array.isArray(access)) return undefined
  const found = new Map<string, Set<string>>()
  for (const entry of access as readonly unknown[]) {
    const { type, name, actions } = (entry ?? {}) as Record<string, unknown>
    if (typeof type !== 'string' || typeof name !== 'string' || !Array.isArray(actions ?? [])) return undefined
    const key = `${type}:${name}`
    found.set(key, new Set([...(found.get(key) ?? []), ...((actions ?? []) as unknown[]).map(String)]))
  }
  return found
}
