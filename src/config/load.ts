// The front door: a configuration's text and the environment in, typed values and warnings out. Pure: it reads no file.
// It does not say what to do with a warning, and it builds nothing.

import type { z } from 'zod'

import { normalise } from './aliases.ts'
import { checkConfig, checkTree } from './checks.ts'
import { emptyMap, findNode, isSet, originAt, parseText, plainOf } from './document.ts'
import type { ConfigNode, MapNode } from './document.ts'
import { applyEnvironment } from './environment.ts'
import type { Environment } from './environment.ts'
import { pendingWarnings } from './pending.ts'
import type { ConfigPath, Findings, Problem, Warning } from './problems.ts'
import { ConfigError, formatOrigin, formatPath } from './problems.ts'
import { configSchema } from './schema.ts'
import type { Config } from './schema.ts'
import { removeUnknownKeys } from './unknown-keys.ts'

export { ConfigError, formatProblem } from './problems.ts'
export type { Warning } from './problems.ts'
export type { Config } from './schema.ts'
export type { Environment } from './environment.ts'

export interface LoadRequest {
  readonly text: string
  /** The name of the file, for messages only. */
  readonly file: string
  readonly env: Environment
  /** Unknown, misplaced and repeated keys of the file are errors. */
  readonly strict?: boolean
}

export interface Loaded {
  readonly config: Config
  readonly warnings: readonly Warning[]
}

/** Throws ConfigError, which tells all problems at once. */
export function loadConfig({ text, file, env, strict = false }: LoadRequest): Loaded {
  const { root, warnings } = readFile(text, file)
  const problems: Problem[] = []
  normalise(root)
  const environment = applyEnvironment(root, env)
  problems.push(...environment.problems)
  warnings.push(...environment.warnings)
  warnings.push(...removeUnknownKeys(root))

  const findings: Findings = {
    error: (path, message) => problems.push({ ...placed(root, file, path), message }),
    warn: (kind, path, message) => warnings.push({ kind, ...placed(root, file, path), message }),
  }
  checkTree(root, findings)
  const config = typedConfig(root, findings)
  warnings.push(...pendingWarnings(root))
  if (strict) problems.push(...warnings.filter(({ kind }) => kind === 'unknown' || kind === 'duplicate'))
  if (problems.length > 0 || config === undefined) throw new ConfigError(problems)
  return { config, warnings }
}

/** undefined: `findings` has been told why. */
function typedConfig(root: MapNode, findings: Findings): Config | undefined {
  const parsed = configSchema.safeParse(plainOf(root))
  for (const issue of parsed.error?.issues ?? []) {
    // checkTree has told about a missing version or storage in better words.
    const [first] = issue.path
    const told = issue.path.length === 1 && (first === 'version' || first === 'storage') && !isSet(findNode(root, [first]))
    if (!told) findings.error(pathOf(issue), wordsFor(issue, findNode(root, pathOf(issue))))
  }
  if (parsed.success) checkConfig(parsed.data, findings)
  return parsed.data
}

function readFile(text: string, file: string): { root: MapNode; warnings: Warning[] } {
  const { root, problems, duplicates } = parseText(text, (line, column) => ({ file, line, column }))
  if (root === undefined) throw new ConfigError(problems)
  const warnings = duplicates.map(({ where, path, message }): Warning => ({ kind: 'duplicate', where, path, message }))
  if (root.kind === 'map') return { root, warnings }
  if (root.kind === 'scalar' && root.text === null) return { root: emptyMap(root.at), warnings }
  throw new ConfigError([
    { where: formatOrigin(root.at), path: '', message: `found ${kindOf(root)}; allowed: keys and values, beginning with version: 0.1` },
  ])
}

/** The place of a value, or of what is around it; the file alone when there is nothing around it. */
function placed(root: MapNode, file: string, path: ConfigPath): { where: string; path: string } {
  const present = path.length > 0 && findNode(root, path.slice(0, 1)) !== undefined
  return { where: present ? formatOrigin(originAt(root, path)) : file, path: formatPath(path) }
}

function pathOf(issue: z.core.$ZodIssue): ConfigPath {
  return issue.path.map((step) => (typeof step === 'number' ? step : String(step)))
}

const expectedWords: Readonly<Record<string, string>> = {
  object: 'keys and values',
  record: 'keys and values',
  array: 'a list',
  string: 'a single value',
}

function wordsFor(issue: z.core.$ZodIssue, node: ConfigNode | undefined): string {
  if (issue.code === 'invalid_union')
    return issue.errors
      .flat()
      .map((inner) => wordsFor(inner, node))
      .join('; or ')
  if (issue.code !== 'invalid_type') return issue.message
  const allowed = expectedWords[issue.expected] ?? issue.expected
  if (node === undefined || (node.kind === 'scalar' && node.text === null)) return `missing; allowed: ${allowed}`
  return `found ${kindOf(node)}; allowed: ${allowed}`
}

function kindOf(node: ConfigNode): string {
  if (node.kind === 'map') return 'keys and values'
  return node.kind === 'list' ? 'a list' : 'a single value'
}
