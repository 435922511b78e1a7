// Transfers that a test makes up: which bytes come, from where on, and how they end.
import type { BlobTransfer, TransferRange, UpstreamFailure } from '../../src/content.ts'
import type { ResumingTransferOptions } from '../../src/mirror/resuming-transfer.ts'
import { TestClock } from '../support/clock.ts'

export interface Script {
  readonly bytes: Uint8Array
  /** Offset of the first byte; that of the range unless told. */
  readonly start?: number
  /** Of the whole blob; the true one unless told, `unknown` where upstream does not say. */
  readonly size?: number | 'unknown'
  /** How it ends after its bytes; in order unless told. */
  readonly ends?: UpstreamFailure
}

export interface Scripted {
  readonly options: ResumingTransferOptions
  readonly clock: TestClock
  readonly ranges: TransferRange[]
  /** Transfers that were opened and not freed. */
  open: number
}

/** `next` tells what each opening gives: a transfer, none at all, or a failure. */
export function scripted(size: number, next: (range: TransferRange) => Script | UpstreamFailure | undefined): Scripted {
  const clock = new TestClock()
  const ranges: TransferRange[] = []
  const made: Scripted = {
    clock,
    ranges,
    open: 0,
    options: {
      clock,
      signal: new AbortController().signal,
      async open(range) {
        ranges.push(range)
        const script = next(range)
        if (script instanceof Error) throw script
        return script === undefined ? undefined : transferOf(script, range, size, made)
      },
    },
  }
  return made
}

function transferOf(script: Script, range: TransferRange, size: number, made: Scripted): BlobTransfer {
  let isOpen = true
  made.open += 1
  const close = () => {
    if (isOpen) made.open -= 1
    isOpen = false
  }
  async function* body() {
    try {
      for (let at = 0; at < script.bytes.length; at += 7) yield script.bytes.subarray(at, at + 7)
      if (script.ends !== undefined) throw script.ends
    } finally {
      close()
    }
  }
  return { size: script.size === 'unknown' ? undefined : (script.size ?? size), start: script.start ?? range.start, body: body(), close }
}

/** All bytes, and the error that ended them. */
export async function collected(chunks: AsyncIterable<Uint8Array>): Promise<{ text: string; error: unknown }> {
  let text = ''
  try {
    for await (const chunk of chunks) text += Buffer.from(chunk).toString()
    return { text, error: undefined }
  } catch (error) {
    return { text, error }
  }
}
