// The types of single values. Each turns the text of the file into a value, says what is allowed, and knows how to print itself back.

import { z } from 'zod'

import { formatBytes, formatSizeLimit, parseBytes, parseSizeLimit } from './byte-size.ts'
import type { SizeLimit } from './byte-size.ts'
import { formatDuration, parseDuration } from './duration.ts'

/** What else is known of a value's type, beside how it is parsed. */
export interface LeafFacts {
  readonly kind: 'text' | 'boolean' | 'integer' | 'duration' | 'size' | 'choice' | 'any'
  /** Back to what may stand in a file, secrets replaced. */
  readonly print: (value: never) => unknown
}

export const leafFacts = z.registry<LeafFacts>()

export const redacted = '[redacted]'

const asItIs = (value: unknown): unknown => value
const truths = new Set(['y', 'yes', 'true', 'on'])
const untruths = new Set(['n', 'no', 'false', 'off'])

/** Any text; numbers and booleans of the file count as the text they are written as. */
export function text() {
  const print = (value: string): string => (/:\/\/[^/\s]*@/.test(value) ? redactUrl(value) : value)
  return z.string().register(leafFacts, { kind: 'text', print })
}

/** Text that is never shown. */
export function secret() {
  return z.string().register(leafFacts, { kind: 'text', print: () => redacted })
}

/** YAML 1.1's words, which distribution reads: yes, on, true … */
export function boolean() {
  return leaf('boolean', 'true or false', (found) => {
    const word = found.toLowerCase()
    if (!truths.has(word) && !untruths.has(word)) throw new RangeError('')
    return truths.has(word)
  })
}

export function integer(least: number, most: number = Number.MAX_SAFE_INTEGER) {
  const range = most === Number.MAX_SAFE_INTEGER ? `a whole number from ${least}` : `a whole number from ${least} to ${most}`
  return leaf('integer', least === -Number.MAX_SAFE_INTEGER ? 'a whole number' : range, (found) => {
    const number = Number(found)
    if (!/^[-+]?\d+$/.test(found) || number < least || number > most) throw new RangeError('')
    return number
  })
}

/** A span, as a number of milliseconds. Negative ones only where distribution gives them a meaning. */
export function duration(sign: 'positive' | 'signed' = 'positive') {
  const parse = (found: string): number => {
    const span = parseDuration(found)
    if (span < 0 && sign === 'positive') throw new RangeError('it is negative')
    return span
  }
  return leaf('duration', 'a span such as 500ms, 30s, 1h30m', parse, (value: number) => formatDuration(value))
}

/** A number of bytes. */
export function bytes() {
  return leaf('size', 'a size such as 20MB, 200GiB', parseBytes, (value: number) => formatBytes(value))
}

/** Bytes or a share of the disk. */
export function sizeLimit() {
  return leaf('size', 'a size such as 20MB, 200GiB, or a share of the disk such as 80%', parseSizeLimit, (value: SizeLimit) =>
    formatSizeLimit(value),
  )
}

/** One of the words, in any case. */
export function choice<const Word extends string>(...words: readonly Word[]) {
  return leaf('choice', words.join(', '), (found): Word => {
    const word = words.find((candidate) => candidate.toLowerCase() === found.toLowerCase())
    if (word === undefined) throw new RangeError('')
    return word
  })
}

/** An absolute http(s) URL, kept as written but for blanks around it. Printed without user, password and query. */
export function httpUrl() {
  return leaf('text', 'a URL that begins with http:// or https://', parseHttpUrl, (value: string) => redactUrl(value))
}

/** Keys and values that are not ours to judge. Numbers and booleans become such. Secrets are found by the names of their keys. */
export function anyKeys() {
  return z
    .record(z.string(), z.unknown())
    .transform((found) => Object.fromEntries(Object.entries(found).map(([key, value]) => [key, typed(value)])))
    .register(leafFacts, { kind: 'any', print: (value: unknown) => redactTree(value) })
}

/** A list; a single value counts as a list of one. */
export function list<Item extends z.ZodType>(item: Item) {
  return z.preprocess((found) => (found === undefined || Array.isArray(found) ? found : [found]), z.array(item))
}

/** A map of free keys to values of one type. */
export function mapOf<Value extends z.ZodType>(value: Value) {
  return z.record(z.string(), value)
}

/** The URL without user, password and query, for logs and messages. A text that is no URL is not shown at all. */
export function redactUrl(value: string): string {
  if (!URL.canParse(value)) return redacted
  const url = new URL(value)
  const bare = url.username === '' && url.password === '' && url.search === ''
  if (bare) return value
  if (url.username !== '' || url.password !== '') url.username = 'redacted'
  url.password = ''
  if (url.search !== '') url.search = '?redacted'
  return url.href
}

function leaf<Value>(kind: LeafFacts['kind'], allowed: string, parse: (found: string) => Value, print: (value: Value) => unknown = asItIs) {
  const schema = z.string().transform((found, context): Value => {
    try {
      return parse(found.trim())
    } catch (error) {
      if (!(error instanceof RangeError)) throw error
      const hint = error.message === '' ? '' : ` (${error.message})`
      context.addIssue({ code: 'custom', message: `found ${shown(found)}${hint}; allowed: ${allowed}` })
      return z.NEVER
    }
  })
  return schema.register(leafFacts, { kind, print })
}

// A wrong value is repeated to help; one that may hold credentials is not.
function shown(found: string): string {
  const short = found.length > 80 ? `${found.slice(0, 80)}…` : found
  return /@|:\/\//.test(found) ? JSON.stringify(redactUrl(found)) : JSON.stringify(short)
}

function parseHttpUrl(found: string): string {
  if (!/^https?:\/\//i.test(found)) {
    const schemeless = /^[\w.-]+(:\d+)?(\/[\w./-]*)?$/.test(found)
    throw new RangeError(schemeless ? `write https://${found}` : '')
  }
  // URL.parse takes them out, and who uses the text as it is would not.
  if (/[\x00-\x20\x7f]/.test(found)) throw new RangeError('a URL has no blanks, line ends or control characters')
  if (!URL.canParse(found)) throw new RangeError('not a URL')
  return found
}

function typed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(typed)
  if (typeof value === 'object' && value !== null) return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, typed(item)]))
  if (typeof value !== 'string') return value
  if (/^-?(0|[1-9]\d{0,14})$/.test(value)) return Number(value)
  return value === 'true' ? true : value === 'false' ? false : value
}

function redactTree(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(redactTree)
  if (typeof value !== 'object' || value === null) return value
  const isSecret = (key: string): boolean => /pass|secret|token|key|credential|licen[cs]e|authorization/i.test(key)
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, isSecret(key) ? redacted : redactTree(item)]))
}
