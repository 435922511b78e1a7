// Keys that the schema does not know, and where they probably belong.

import type { ConfigNode, MapNode } from './document.ts'
import type { ConfigPath, Warning } from './problems.ts'
import { formatOrigin, formatPath } from './problems.ts'
import { configShape } from './shape.ts'
import type { Section, Shape } from './shape.ts'

interface Candidate {
  readonly path: ConfigPath
  readonly shape: Shape
}

/** Takes every unknown key out of `root` and tells about each. Changes `root`. */
export function removeUnknownKeys(root: MapNode): Warning[] {
  const warnings: Warning[] = []
  const walk = (node: ConfigNode, shape: Shape, path: ConfigPath): void => {
    if (shape.kind === 'list') {
      const items = node.kind === 'list' ? node.items : [node]
      for (const [at, item] of items.entries()) walk(item, shape.item, [...path, at])
      return
    }
    if (node.kind !== 'map' || shape.kind === 'leaf') return
    for (const [key, { keyAt, node: value }] of node.entries) {
      const child = shape.kind === 'map' ? shape.value : shape.keys.get(key)
      if (child !== undefined) {
        walk(value, child, [...path, key])
        continue
      }
      node.entries.delete(key)
      const message = `unknown key "${key}", it has no effect${suggestion(key, value, path, shape as Section)}`
      warnings.push({ kind: 'unknown', where: formatOrigin(keyAt), path: formatPath([...path, key]), message })
    }
  }
  walk(root, configShape, [])
  return warnings
}

function suggestion(key: string, value: ConfigNode, parent: ConfigPath, section: Section): string {
  const spelled = closest(key, [...section.keys.keys()])
  const elsewhere = placesOf((name) => name === folded(key), value)
  const wider = elsewhere.length > 0 ? elsewhere : placesOf((name) => distance(name, folded(key)) <= 1 && key.length > 4, value)
  // The same word one level up or down is likelier than another word here, but not than the word in another case.
  const here = spelled === undefined ? undefined : formatPath([...parent, spelled])
  const other = wider[0] === undefined ? undefined : formatPath(wider[0].path)
  const best = spelled !== undefined && folded(spelled) === folded(key) ? here : elsewhere.length > 0 ? other : (here ?? other)
  return best === undefined ? '' : `; did you mean ${best}?`
}

/** Known keys of that name, best first: those that hold what `value` holds, then those that lie higher. */
function placesOf(isName: (name: string) => boolean, value: ConfigNode): Candidate[] {
  const found: { candidate: Candidate; score: number }[] = []
  const walk = (shape: Shape, path: ConfigPath): void => {
    if (shape.kind === 'map') walk(shape.value, [...path, '*'])
    if (shape.kind === 'list') walk(shape.item, [...path, 0])
    if (shape.kind !== 'section') return
    for (const [name, child] of shape.keys) {
      const candidate = { path: [...path, name], shape: child }
      if (isName(name)) found.push({ candidate, score: likeness(value, child) * 100 - depthOf(candidate.path) })
      walk(child, candidate.path)
    }
  }
  walk(configShape, [])
  return found
    .filter(({ score }) => score > -50)
    .toSorted((left, right) => right.score - left.score)
    .map(({ candidate }) => candidate)
}

// A key inside a list or a free map is a less likely guess than a plain one.
function depthOf(path: ConfigPath): number {
  return path.length + 3 * path.filter((step) => typeof step === 'number' || step === '*').length
}

/** How many keys of the value are known there; below 0 when a section meets a single value. */
function likeness(value: ConfigNode, shape: Shape): number {
  if (value.kind === 'scalar') return value.text === null || shape.kind === 'leaf' || shape.kind === 'list' ? 0 : -1
  if (value.kind === 'list') return shape.kind === 'list' ? 0 : -1
  if (shape.kind === 'section') return [...value.entries.keys()].filter((key) => shape.keys.has(key)).length
  return shape.kind === 'map' ? 0 : -1
}

function closest(key: string, names: readonly string[]): string | undefined {
  const most = key.length <= 4 ? 1 : 2
  const ranked = names
    .map((name) => ({ name, away: distance(folded(key), folded(name)) }))
    .filter(({ away, name }) => away <= most && away < name.length)
    .toSorted((left, right) => left.away - right.away)
  return ranked[0]?.name
}

function folded(key: string): string {
  return key.toLowerCase().replace(/[-_\s]/g, '')
}

/** Edits between two words: insert, delete, replace, swap of neighbours. */
function distance(left: string, right: string): number {
  const known = new Map<string, number>()
  const between = (i: number, j: number): number => {
    if (i === 0 || j === 0) return i + j
    const place = `${i},${j}`
    const before = known.get(place)
    if (before !== undefined) return before
    const replaced = between(i - 1, j - 1) + (left[i - 1] === right[j - 1] ? 0 : 1)
    const isSwap = i > 1 && j > 1 && left[i - 1] === right[j - 2] && left[i - 2] === right[j - 1]
    const swapped = isSwap ? between(i - 2, j - 2) + 1 : replaced
    const least = Math.min(replaced, swapped, between(i - 1, j) + 1, between(i, j - 1) + 1)
    known.set(place, least)
    return least
  }
  // Words of very different length are no slips of each other, and a long key must not cost a deep recursion.
  return Math.abs(left.length - right.length) > 3 ? Number.POSITIVE_INFINITY : between(left.length, right.length)
}
