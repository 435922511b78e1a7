// Writes a stream of chunks into an open file, one write on its way while the next chunks come in.
import type { FileHandle } from 'node:fs/promises'

/** What may wait behind the running write; it then goes out as one. */
const waitingBytes = 1024 * 1024

export interface Appending {
  readonly body: AsyncIterable<Uint8Array>
  readonly signal: AbortSignal
  readonly freesChunks: boolean
}

/** From `start` on. What came before a failure of the body or an abort is written before that is thrown. Answers the position behind the last byte. */
export async function appendTo(file: FileHandle, start: number, { body, signal, freesChunks }: Appending): Promise<number> {
  const writer = new ChunkWriter(file, start, freesChunks)
  try {
    for await (const chunk of body) {
      signal.throwIfAborted()
      await writer.take(chunk)
    }
  } catch (error) {
    // What failed first is what the caller must hear of.
    await writer.end().catch(() => undefined)
    throw error
  }
  return writer.end()
}

class ChunkWriter {
  readonly #file: FileHandle
  readonly #freesChunks: boolean
  #position: number
  #waiting: Uint8Array[] = []
  #waitingBytes = 0
  #running: Promise<void> | undefined
  #failure: { readonly error: unknown } | undefined

  constructor(file: FileHandle, start: number, freesChunks: boolean) {
    this.#file = file
    this.#freesChunks = freesChunks
    this.#position = start
  }

  async take(chunk: Uint8Array): Promise<void> {
    this.#throwFailure()
    if (chunk.length === 0) return
    this.#waiting.push(chunk)
    this.#waitingBytes += chunk.length
    if (this.#running !== undefined && this.#waitingBytes >= waitingBytes) await this.#running
    this.#throwFailure()
    if (this.#running === undefined) this.#startWriting()
  }

  async end(): Promise<number> {
    await this.#running
    this.#throwFailure()
    if (this.#waiting.length > 0) {
      this.#startWriting()
      await this.#running
      this.#throwFailure()
    }
    return this.#position
  }

  #startWriting(): void {
    const chunks = this.#waiting
    this.#waiting = []
    this.#waitingBytes = 0
    this.#running = this.#write(chunks)
      .catch((error: unknown) => {
        this.#failure = { error }
      })
      .finally(() => {
        this.#running = undefined
      })
  }

  /** The system may take only a part, as when the disk is nearly full. */
  async #write(chunks: Uint8Array[]): Promise<void> {
    let rest = chunks
    while (rest.length > 0) {
      const { bytesWritten } = await this.#file.writev(rest, this.#position)
      this.#position += bytesWritten
      rest = behind(rest, bytesWritten)
    }
    if (this.#freesChunks) chunks.forEach(free)
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure.error
  }
}

/** The chunks without their first `bytes` bytes. */
function behind(chunks: readonly Uint8Array[], bytes: number): Uint8Array[] {
  let skip = bytes
  let index = 0
  for (let chunk = chunks[0]; chunk !== undefined && skip >= chunk.length; chunk = chunks[index]) {
    skip -= chunk.length
    index += 1
  }
  const [first, ...others] = chunks.slice(index)
  return first === undefined ? [] : [first.subarray(skip), ...others]
}

/**
 * Gives memory back that garbage collection would take back much later, and at some cost: it took half of the processor's time of
 * an upload. Memory that others may have a view of is left alone.
 */
export function free({ buffer, byteLength }: Uint8Array): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength === byteLength) buffer.transfer(0)
}
