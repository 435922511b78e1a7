// A transfer that tells how it ended, to whoever chose where it comes from.
import { type BlobTransfer, UpstreamFailure } from '../content.ts'

/** whole: to the blob's end; broken: it failed on the way; unwanted: closed before its first byte, because it was not what was expected. */
export type TransferEnding = 'whole' | 'broken' | 'unwanted'

/** `ended` is told once, and not at all of a range in the middle or a reader who left: they say nothing about the source. */
export function watchedTransfer(transfer: BlobTransfer, ended: (how: TransferEnding) => void): BlobTransfer {
  const chunks = transfer.body[Symbol.asyncIterator]()
  let position = transfer.start
  let isOver = false
  const end = (how: TransferEnding) => {
    if (!isOver) ended(how)
    isOver = true
  }
  const body: AsyncIterableIterator<Uint8Array> = {
    [Symbol.asyncIterator]: () => body,
    async next() {
      try {
        const step = await chunks.next()
        if (step.done !== true) position += step.value.length
        else if (position >= (transfer.size ?? 0)) end('whole')
        return step
      } catch (error) {
        if (error instanceof UpstreamFailure) end('broken')
        throw error
      }
    },
    async return() {
      // Nobody asks for more than what he wanted, so a reader who has the last byte may leave before the end is told.
      if (transfer.size !== undefined && position >= transfer.size) end('whole')
      isOver = true
      await chunks.return?.()
      return { done: true, value: undefined }
    },
  }
  return {
    size: transfer.size,
    start: transfer.start,
    body,
    close() {
      if (position === transfer.start) end('unwanted')
      isOver = true
      transfer.close()
    },
  }
}
