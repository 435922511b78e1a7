// A source of content that answers as a test tells it, and notes what it was asked.
import type { BlobTransfer, TransferRange, TransferSource } from '../../src/content.ts'
import type { Log } from '../../src/telemetry/log.ts'

export const silentLog: Log = { debug() {}, info() {}, warn() {}, error() {} }

type Answers = Partial<{ [Name in keyof TransferSource]: TransferSource[Name] }>

export interface ScriptedSource extends TransferSource {
  readonly asked: string[]
  answers: Answers
}

/** Questions without an answer get `undefined`: there is none. */
export function scriptedSource(answers: Answers = {}): ScriptedSource {
  const asked: string[] = []
  const question = (name: Exclude<keyof TransferSource, 'standing'>) =>
    ((...given: [never, never, never, never]) => {
      asked.push(`${name} ${given[0]}`)
      const answer = source.answers[name] as ((...given: unknown[]) => Promise<unknown>) | undefined
      return answer === undefined ? Promise.resolve(undefined) : answer(...given)
    }) as never
  const source: ScriptedSource = {
    asked,
    answers,
    standing: (repository) => source.answers.standing?.(repository) ?? { name: 'scripted', pausedUntil: 0, pullsLeft: undefined },
    describeManifest: question('describeManifest'),
    findManifest: question('findManifest'),
    describeBlob: question('describeBlob'),
    openBlob: question('openBlob'),
    listTags: question('listTags'),
    listReferrers: question('listReferrers'),
  }
  return source
}

/** The range of `bytes` in chunks of ten; fails with `failure` when `breaksAt` bytes of the blob are out. */
export function transferOf(
  bytes: Uint8Array,
  range?: TransferRange,
  breaks?: { readonly at: number; readonly failure: Error },
): BlobTransfer {
  const start = range?.start ?? 0
  const end = Math.min(range?.end === undefined ? bytes.length : range.end + 1, breaks?.at ?? bytes.length)
  async function* body() {
    for (let at = start; at < end; at += 10) yield bytes.subarray(at, Math.min(end, at + 10))
    if (breaks !== undefined && end === breaks.at) throw breaks.failure
  }
  return { size: bytes.length, start, body: body(), close() {} }
}
