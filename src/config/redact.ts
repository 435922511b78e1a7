// The effective configuration as a file that could be used again, but for the secrets, which are replaced.

import { stringify } from 'yaml'

import type { Config } from './schema.ts'
import { configShape } from './shape.ts'
import type { Shape } from './shape.ts'

/** YAML with all defaults filled in. Passwords, keys, tokens and the user part of URLs are replaced by `[redacted]`. */
export function formatConfig(config: Config): string {
  return stringify(printed(config, configShape), { lineWidth: 0, nullStr: '' })
}

function printed(value: unknown, shape: Shape): unknown {
  if (value === undefined) return undefined
  if (shape.kind === 'leaf') return shape.facts.print(value as never)
  if (shape.kind === 'list') return Array.isArray(value) ? value.map((item) => printed(item, shape.item)) : value
  const entries = Object.entries(value as object).map(([key, item]): [string, unknown] => {
    const child = shape.kind === 'map' ? shape.value : shape.keys.get(key)
    return [key, child === undefined ? undefined : printed(item, child)]
  })
  return Object.fromEntries(entries.filter(([, item]) => item !== undefined))
}
