// REGISTRY_* variables over the file, by distribution's rules, and where it would panic or lose the value, by what was plainly meant.

import { fileAliases, normalise, variableAliases } from './aliases.ts'
import { findNode, isSet, parseText, putNode } from './document.ts'
import type { ConfigNode, MapNode } from './document.ts'
import type { ConfigPath, Problem, Warning } from './problems.ts'
import { formatPath } from './problems.ts'
import { authNames } from './schema/access.ts'
import { driverNames } from './schema/storage.ts'
import { configShape } from './shape.ts'
import type { Shape } from './shape.ts'

export type Environment = Readonly<Record<string, string | undefined>>

/** Read by `configuration-file.ts`: it names the file and is no part of it. */
export const fileVariable = 'REGISTRY_CONFIGURATION_PATH'

const prefix = 'REGISTRY_'

// distribution keeps these two sections in maps, whose keys a variable may write in any case.
const caselessSections = new Set(['storage', 'auth'])

interface Target {
  readonly path: ConfigPath
  readonly shape: Shape
}

/**
 * Applies all variables to `root`, in the order of their names. Changes `root`.
 *
 * `problems`: values that cannot be read. `warnings`: variables that name nothing, and drivers of the file that a variable displaced.
 */
export function applyEnvironment(root: MapNode, environment: Environment): { problems: Problem[]; warnings: Warning[] } {
  const problems: Problem[] = []
  const warnings: Warning[] = []
  const fromFile = { storage: keysAt(root, 'storage'), auth: keysAt(root, 'auth') }
  for (const name of Object.keys(environment).toSorted(byParts)) {
    const value = environment[name]
    if (value === undefined || !name.startsWith(prefix) || name === fileVariable) continue
    if (name === 'REGISTRY_LOGLEVEL' && isSet(findNode(root, ['log', 'level']))) continue
    const target = targetOf(root, name.slice(prefix.length).split('_'))
    if (target === undefined) {
      warnings.push({ kind: 'environment', where: name, path: '', message: `Ignoring unrecognized environment variable ${name}` })
      continue
    }
    const gap = gapBefore(root, target.path)
    const read = readValue(name, value, target.shape)
    if (gap !== undefined) problems.push({ where: name, path: formatPath(target.path), message: gap })
    else if ('problem' in read) problems.push({ ...read.problem, path: formatPath(target.path) })
    else put(root, target.path, read.node)
  }
  warnings.push(...displace(root, 'storage', driverNames, fromFile.storage), ...displace(root, 'auth', authNames, fromFile.auth))
  return { problems, warnings }
}

/** What the variable's parts name. Several parts may make up one key (`MAX_RETRIES`), so all ways to join them are tried, short keys first. */
function targetOf(root: MapNode, parts: readonly string[]): Target | undefined {
  const walk = (shape: Shape, path: ConfigPath, rest: readonly string[]): Target | undefined => {
    if (rest.length === 0) return path.length === 0 ? undefined : { path, shape }
    if (shape.kind === 'leaf') return shape.facts.kind === 'any' ? walk({ kind: 'map', value: shape }, path, rest) : undefined
    if (shape.kind === 'list') {
      return /^\d{1,4}$/.test(rest[0] ?? '') ? walk(shape.item, [...path, Number(rest[0])], rest.slice(1)) : undefined
    }
    for (let count = 1; count <= rest.length; count += 1) {
      const name = rest.slice(0, count).join('_')
      for (const next of stepsInto(root, shape, path, name)) {
        const found = walk(next.shape, next.path, rest.slice(count))
        if (found !== undefined) return found
      }
    }
    return undefined
  }
  return walk(configShape, [], parts)
}

function stepsInto(root: MapNode, shape: Shape, path: ConfigPath, name: string): Target[] {
  if (name === '') return []
  if (shape.kind === 'map') return [{ path: [...path, existingKey(root, path, name) ?? name.toLowerCase()], shape: shape.value }]
  if (shape.kind !== 'section') return []
  const caseless = caselessSections.has(String(path[0]))
  if (!caseless && name !== name.toUpperCase()) return []
  const key = name.toLowerCase()
  const child = shape.keys.get(key)
  if (child !== undefined) return [{ path: [...path, key], shape: child }]
  // An alias may be the first half of a longer name (`POOL_MAXIDLE`), so it is tried as the joined name, too.
  const written = [...path, ...key.split('_')]
  const alias = [...fileAliases, ...variableAliases].find(({ from }) => matches(from, written))
  if (alias === undefined) return []
  const to = alias.to.map((step, at) => (step === '*' ? (written[at] ?? step) : step))
  const target = shapeAt(to)
  return target === undefined ? [] : [{ path: to, shape: target }]
}

function matches(pattern: readonly string[], path: ConfigPath): boolean {
  return pattern.length === path.length && pattern.every((step, at) => (step === '*' ? typeof path[at] === 'number' : step === path[at]))
}

function shapeAt(path: ConfigPath): Shape | undefined {
  let shape: Shape | undefined = configShape
  for (const step of path) {
    if (shape?.kind === 'section') shape = shape.keys.get(String(step))
    else if (shape?.kind === 'map') shape = shape.value
    else shape = shape?.kind === 'list' ? shape.item : undefined
  }
  return shape
}

function existingKey(root: MapNode, path: ConfigPath, name: string): string | undefined {
  const map = findNode(root, path)
  if (map?.kind !== 'map') return undefined
  return [...map.entries.keys()].find((key) => key.toLowerCase() === name.toLowerCase())
}

type ReadValue = { readonly node: ConfigNode } | { readonly problem: Problem }

function readValue(name: string, value: string, shape: Shape): ReadValue {
  const at = { variable: name }
  const scalar = (text: string): ReadValue => ({ node: { kind: 'scalar', at, text, plain: false } })
  const isText = shape.kind === 'leaf' && shape.facts.kind === 'text'
  // A password such as `{x`, `a: b` or `a #b` is no good YAML, or says less in YAML than was meant. Quotes and `null` mean what they mean.
  if (isText && !/^(["'|>]|~$|null$|$)/i.test(value.trim())) return scalar(value.trim())
  const { root, problems } = parseText(value, () => at)
  const [problem] = problems
  if (isText && (problem !== undefined || root?.kind !== 'scalar')) return scalar(value.trim())
  if (problem !== undefined || root === undefined) {
    return { problem: { where: name, path: '', message: `parsing environment variable ${name}: ${problem?.message ?? 'not readable'}` } }
  }
  return { node: root }
}

/** A list can grow by one place at a time only. */
function gapBefore(root: MapNode, path: ConfigPath): string | undefined {
  for (const [at, step] of path.entries()) {
    if (typeof step !== 'number') continue
    const list = findNode(root, path.slice(0, at))
    const length = list?.kind === 'list' ? list.items.length : 0
    if (step > length) return `undefined index: ${step}; the list has ${length} entries, so the next one is ${length}`
  }
  return undefined
}

function put(root: MapNode, path: ConfigPath, node: ConfigNode): void {
  putNode(root, path, node)
  normalise(root)
}

function keysAt(root: MapNode, section: string): ReadonlySet<string> {
  const node = findNode(root, [section])
  return new Set(node?.kind === 'map' ? node.entries.keys() : [])
}

/** A driver that only variables name displaces the file's; distribution panics, or lets chance decide. */
function displace(root: MapNode, section: string, names: readonly string[], fromFile: ReadonlySet<string>): Warning[] {
  const node = findNode(root, [section])
  if (node?.kind !== 'map') return []
  const present = names.filter((name) => node.entries.has(name))
  const added = present.filter((name) => !fromFile.has(name))
  if (added.length !== 1) return []
  return present
    .filter((name) => fromFile.has(name))
    .map((name): Warning => {
      node.entries.delete(name)
      const message = `the environment sets ${section}.${added[0]}, so the file's ${section}.${name} is not used`
      return { kind: 'environment', where: added[0] === undefined ? '' : variableOf(node, added[0]), path: section, message }
    })
}

function variableOf(section: MapNode, key: string): string {
  const origin = section.entries.get(key)?.keyAt
  return origin !== undefined && 'variable' in origin ? origin.variable : ''
}

// By name, but list places by number: `_10_` comes after `_9_`. A section comes before what is inside it.
function byParts(left: string, right: string): number {
  const [lefts, rights] = [left.split('_'), right.split('_')]
  for (let at = 0; at < Math.min(lefts.length, rights.length); at += 1) {
    const [one = '', other = ''] = [lefts[at], rights[at]]
    if (one === other) continue
    const numeric = /^\d+$/.test(one) && /^\d+$/.test(other)
    if (numeric && Number(one) !== Number(other)) return Number(one) - Number(other)
    return one < other ? -1 : 1
  }
  return lefts.length - rights.length
}
