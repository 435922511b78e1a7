// A YAML text as a small tree that remembers where each value stands; scalars stay text until the schema gives them a type.
// The library's own conversion would turn `0123` and `1e3` into numbers, also where a password is meant.

import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument, Scalar } from 'yaml'
import type { Document, YAMLError, YAMLMap } from 'yaml'

import type { ConfigPath, Origin, Problem } from './problems.ts'
import { formatOrigin } from './problems.ts'

export interface MapNode {
  readonly kind: 'map'
  readonly at: Origin
  readonly entries: Map<string, { readonly keyAt: Origin; readonly node: ConfigNode }>
}
export interface ListNode {
  readonly kind: 'list'
  readonly at: Origin
  readonly items: ConfigNode[]
}
/** `text` is null for an empty value, `~` and `null`; `plain` tells `x` from `"x"`. */
export interface ScalarNode {
  readonly kind: 'scalar'
  readonly at: Origin
  readonly text: string | null
  readonly plain: boolean
}
export type ConfigNode = MapNode | ListNode | ScalarNode

export interface ParsedText {
  /** undefined when the text cannot be read at all; `problems` says why. */
  readonly root: ConfigNode | undefined
  readonly problems: readonly Problem[]
  readonly duplicates: readonly Problem[]
}

// Aliases may repeat what they name; a text of a few lines could otherwise grow without end.
const mostNodes = 50_000
const deepest = 100

const nullWords = new Set(['', '~', 'null', 'Null', 'NULL'])

const plainWords: Readonly<Record<string, string>> = {
  TAB_AS_INDENT: 'a tab indents this line; YAML indents with spaces only',
  BAD_INDENT: 'this line is indented differently from its neighbours',
  MISSING_CHAR: 'a bracket, brace, comma, quote or line break is missing here or above',
  MULTILINE_IMPLICIT_KEY: 'a key and its colon must stand on one line; is a colon or a space after it missing here?',
  BLOCK_AS_IMPLICIT_KEY: 'two keys on one line; put quotes around a value that contains ": "',
  UNEXPECTED_TOKEN: 'this does not fit here; is a key, a quote or an indent missing?',
  BAD_SCALAR_START: 'a value cannot begin with this character; put it in quotes',
}

/** Reads one YAML document. `originOf` names a place for a line and a column. */
export function parseText(text: string, originOf: (line: number, column: number) => Origin): ParsedText {
  const lines = new LineCounter()
  const options = { schema: 'failsafe', uniqueKeys: false, prettyErrors: false, lineCounter: lines, logLevel: 'silent' } as const
  const document = parseDocument(text, options)
  const reading: Reading = {
    document,
    problems: [],
    duplicates: [],
    nodes: 0,
    place(offset) {
      const { line, col } = lines.linePos(offset)
      return originOf(Math.max(line, 1), Math.max(col, 1))
    },
  }
  for (const error of document.errors) {
    const several = error.code === 'MULTIPLE_DOCS'
    report(
      reading,
      several ? 'duplicates' : 'problems',
      error.pos[0],
      several ? 'only the first document of this file is read' : wordsFor(error),
    )
  }
  const root = reading.problems.length > 0 ? undefined : convert(reading, document.contents, 0, 0)
  return { root: reading.problems.length > 0 ? undefined : root, problems: reading.problems, duplicates: reading.duplicates }
}

interface Reading {
  readonly document: Document.Parsed
  readonly problems: Problem[]
  readonly duplicates: Problem[]
  nodes: number
  place(offset: number): Origin
}

function report(reading: Reading, list: 'problems' | 'duplicates', offset: number, message: string): void {
  reading[list].push({ where: formatOrigin(reading.place(offset)), path: '', message })
}

function convert(reading: Reading, value: unknown, fallback: number, depth: number): ConfigNode {
  const offset = rangeOf(value) ?? fallback
  const at = reading.place(offset)
  reading.nodes += 1
  if (reading.nodes > mostNodes || depth > deepest) {
    if (reading.problems.length === 0)
      report(reading, 'problems', offset, 'too many values or too many levels; does an alias contain itself?')
    return { kind: 'scalar', at, text: null, plain: true }
  }
  if (isAlias(value)) {
    const named = value.resolve(reading.document)
    if (named === undefined) {
      report(reading, 'problems', offset, 'there is no anchor of this name; put quotes around a value that begins with *')
    }
    return convert(reading, named, offset, depth + 1)
  }
  if (isMap(value)) return convertMap(reading, value, offset, depth)
  if (isSeq(value)) return { kind: 'list', at, items: value.items.map((item) => convert(reading, item, offset, depth + 1)) }
  return convertScalar(value, at)
}

function convertMap(reading: Reading, map: YAMLMap, offset: number, depth: number): MapNode {
  const entries: MapNode['entries'] = new Map()
  const merged: ConfigNode[] = []
  for (const pair of map.items) {
    const keyOffset = rangeOf(pair.key) ?? offset
    const key = isScalar(pair.key) ? String(pair.key.value) : undefined
    if (key === undefined || key === '__proto__') {
      report(reading, 'problems', keyOffset, 'a key must be a word')
      continue
    }
    const node = convert(reading, pair.value, keyOffset, depth + 1)
    const earlier = entries.get(key)
    if (key === '<<') merged.push(node)
    else entries.set(key, { keyAt: reading.place(keyOffset), node: earlier === undefined ? node : overlaid(earlier.node, node) })
    if (earlier !== undefined) {
      const first = formatOrigin(earlier.keyAt)
      report(reading, 'duplicates', keyOffset, `"${key}" is given twice, first at ${first}; where they differ, the later one counts`)
    }
  }
  for (const node of merged) mergeInto(entries, node)
  return { kind: 'map', at: reading.place(offset), entries }
}

/** Whether there is a value at all: neither absent nor empty. An empty text means the same as none, as in distribution. */
export function isSet(node: ConfigNode | undefined): boolean {
  return node !== undefined && !(node.kind === 'scalar' && (node.text ?? '') === '')
}

/** The value as plain objects, lists and strings; keys with empty values are left out. */
export function plainOf(node: ConfigNode): unknown {
  if (node.kind === 'scalar') return node.text ?? undefined
  if (node.kind === 'list') return node.items.map(plainOf).filter((item) => item !== undefined)
  const plain: Record<string, unknown> = {}
  for (const [key, { node: value }] of node.entries) {
    if (isSet(value)) plain[key] = plainOf(value)
  }
  return plain
}

export function findNode(root: ConfigNode, path: ConfigPath): ConfigNode | undefined {
  let node: ConfigNode | undefined = root
  for (const step of path) {
    if (node === undefined) return undefined
    if (node.kind === 'map') node = node.entries.get(String(step))?.node
    else node = node.kind === 'list' && typeof step === 'number' ? node.items[step] : undefined
  }
  return node
}

/** Where a value stands, or else the nearest thing around it. */
export function originAt(root: ConfigNode, path: ConfigPath): Origin {
  for (let length = path.length; length > 0; length -= 1) {
    const parent = findNode(root, path.slice(0, length - 1))
    const entry = parent?.kind === 'map' ? parent.entries.get(String(path[length - 1])) : undefined
    const node = findNode(root, path.slice(0, length))
    if (entry !== undefined) return node?.kind === 'scalar' ? node.at : entry.keyAt
    if (node !== undefined) return node.at
  }
  return root.at
}

export function emptyMap(at: Origin): MapNode {
  return { kind: 'map', at, entries: new Map() }
}

/** Puts `node` at `path` and makes the maps and lists on the way; a scalar in the way gives way. A number steps into a list. */
export function putNode(root: MapNode, path: ConfigPath, node: ConfigNode): void {
  let parent: MapNode | ListNode = root
  for (const [index, step] of path.entries()) {
    const existing: ConfigNode | undefined = findNode(parent, [step])
    const wanted: 'map' | 'list' = typeof path[index + 1] === 'number' ? 'list' : 'map'
    const last = index === path.length - 1
    const made: MapNode | ListNode = wanted === 'list' ? { kind: 'list', at: node.at, items: [] } : emptyMap(node.at)
    const child: ConfigNode = last ? node : existing?.kind === wanted ? existing : made
    if (parent.kind === 'list') parent.items[Number(step)] = child
    else parent.entries.set(String(step), { keyAt: parent.entries.get(String(step))?.keyAt ?? node.at, node: child })
    if (!last) parent = child as MapNode | ListNode
  }
}

function rangeOf(value: unknown): number | undefined {
  if (typeof value !== 'object' || value === null || !('range' in value) || !Array.isArray(value.range)) return undefined
  const start: unknown = value.range[0]
  return typeof start === 'number' ? start : undefined
}

function convertScalar(value: unknown, at: Origin): ScalarNode {
  if (!isScalar(value)) return { kind: 'scalar', at, text: null, plain: true }
  const plain = value.type === undefined || value.type === Scalar.PLAIN
  const text = typeof value.value === 'string' ? value.value : ''
  return { kind: 'scalar', at, text: plain && nullWords.has(text) ? null : text, plain }
}

// YAML's merge key: what the map itself says counts more, and it may stand before or after.
function mergeInto(entries: MapNode['entries'], source: ConfigNode): void {
  const maps = source.kind === 'list' ? source.items : [source]
  for (const map of maps) {
    if (map.kind !== 'map') continue
    for (const [key, entry] of map.entries) if (!entries.has(key)) entries.set(key, entry)
  }
}

// distribution reads a section that is given twice as one section, because it decodes the second on top of the first.
function overlaid(earlier: ConfigNode, later: ConfigNode): ConfigNode {
  if (earlier.kind !== 'map' || later.kind !== 'map') return later
  const entries = new Map(earlier.entries)
  for (const [key, entry] of later.entries) {
    const below = entries.get(key)
    entries.set(key, below === undefined ? entry : { keyAt: entry.keyAt, node: overlaid(below.node, entry.node) })
  }
  return { kind: 'map', at: later.at, entries }
}

function wordsFor(error: YAMLError): string {
  // An unclosed bracket is reported as an indent where the text ends.
  if (error.message.includes('and end with a')) return plainWords['MISSING_CHAR'] ?? error.message
  return plainWords[error.code] ?? `not readable as YAML: ${error.message}`
}
