// The scripted requests of the differential tests: one step is one request, sent alike to both registries.
import { once } from 'node:events'
import { type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http'
import { digestOf } from '../support/images.ts'

export interface Step {
  /** Unique among all steps: differences are listed by it. */
  readonly what: string
  /** `GET /v2/`; `{name}` stands for the address that a registry gave when `keep` was `name`. */
  readonly ask: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Uint8Array | string
  /** Sent without Content-Length. */
  readonly isChunked?: boolean
  /** The name under which the answer's Location is kept. */
  readonly keep?: string
}

/** What is compared, as text, by field: `status`, `ending`, `body`, `codes`, `header <name>`. */
export type Seen = ReadonlyMap<string, string>

/** Addresses that one registry gave, by their name. */
export type Addresses = Map<string, string>

const comparedHeaders = [
  'accept-ranges',
  'allow',
  'cache-control',
  'content-length',
  'content-range',
  'content-type',
  'docker-content-digest',
  'docker-distribution-api-version',
  'docker-upload-uuid',
  'etag',
  'link',
  'location',
  'range',
] as const

/** Longer bodies are compared by their digest. */
const longestShownBody = 300

/** Sends a step to one registry. Each on a connection of its own, so that no answer depends on what was before. */
export async function take(step: Step, url: string, addresses: Addresses): Promise<Seen> {
  const [, method = '', target = ''] = /^(\S+) (.*)$/.exec(step.ask) ?? []
  const path = target.replace(/\{(\w+)\}/g, (_all, name: string) => {
    const address = addresses.get(name)
    if (address === undefined) throw new Error(`${step.what}: no address was given as ${name}`)
    return address
  })
  const answer = await send(url, { method, path, step })
  const location = answer.headers.location
  if (step.keep !== undefined && location !== undefined) addresses.set(step.keep, pathOf(location, url))
  return seenIn(answer, url)
}

interface Sending {
  readonly method: string
  readonly path: string
  readonly step: Step
}

interface Answer {
  readonly status: number | undefined
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
  readonly isWhole: boolean
}

async function send(url: string, { method, path, step }: Sending): Promise<Answer> {
  const { hostname, port } = new URL(url)
  const length = step.body === undefined || step.isChunked === true ? {} : { 'content-length': String(Buffer.byteLength(step.body)) }
  const encoding = step.isChunked === true ? { 'transfer-encoding': 'chunked' } : {}
  const asked = request({ hostname, port, method, path, agent: false, headers: { ...length, ...encoding, ...step.headers } })
  asked.end(step.body)
  const [answer] = (await once(asked, 'response')) as [IncomingMessage]
  const parts: Buffer[] = []
  try {
    for await (const part of answer) parts.push(part as Buffer)
  } catch {
    // Said by `complete`, too: what a cut answer looks like is compared as well.
  }
  return { status: answer.statusCode, headers: answer.headers, body: Buffer.concat(parts), isWhole: answer.complete }
}

function pathOf(location: string, url: string): string {
  const address = new URL(location, url)
  return address.pathname + address.search
}

function seenIn({ status, headers, body, isWhole }: Answer, url: string): Seen {
  const seen = new Map([['status', String(status)]])
  if (!isWhole) seen.set('ending', 'cut')
  const codes = codesIn(body)
  if (codes !== undefined) seen.set('codes', codes)
  for (const name of comparedHeaders) {
    const value = headers[name]
    // Error bodies hold details that differ from version to version, and so do their lengths.
    if (value === undefined || (codes !== undefined && name === 'content-length')) continue
    seen.set(`header ${name}`, shapeOf(name, String(value), url))
  }
  if (codes === undefined) seen.set('body', body.length <= longestShownBody ? body.toString('latin1').trimEnd() : digestOf(body))
  return seen
}

/** Of an error body. */
function codesIn(body: Buffer): string | undefined {
  if (body[0] !== 0x7b) return undefined
  const { errors } = JSON.parse(body.toString()) as { errors?: { code: string }[] }
  return errors?.map(({ code }) => code).join(' ')
}

/** Without what must differ: ports, names of uploads, their signed state. */
function shapeOf(name: string, value: string, url: string): string {
  if (name === 'allow') return value.split(/, */).sort().join(', ')
  return value
    .replaceAll(new URL(url).host, 'HOST')
    .replaceAll(/[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}/g, 'UUID')
    .replace(/_state=[\w%=-]+/, '_state=STATE')
}

export interface Difference {
  readonly field: string
  readonly theirs: string | undefined
  readonly ours: string | undefined
}

export function differencesOf(theirs: Seen, ours: Seen): Difference[] {
  const fields = new Set([...theirs.keys(), ...ours.keys()])
  return [...fields]
    .map((field) => ({ field, theirs: theirs.get(field), ours: ours.get(field) }))
    .filter((difference) => difference.theirs !== difference.ours)
}
