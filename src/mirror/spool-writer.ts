// Writes a partial file behind whoever brings the bytes: while one buffer is on its way to the disk the other one is filled, so
// network and disk do not wait for each other. What comes in is copied at once, so that a fast upstream's chunks die young; kept
// waiting for the disk, hundreds of them would be memory that only a full garbage collection returns.
import type { FileHandle } from 'node:fs/promises'

const largestBuffer = 128 * 1024

export interface SpoolWriterOptions {
  readonly file: FileHandle
  /** Where the first byte goes. */
  readonly position: number
  /** Of the whole file, where it is known: a small one needs no large buffer. */
  readonly size: number | undefined
  /** Gets the bytes that are in the file now, in order; they are valid during the call only. */
  readonly onWritten: (bytes: Uint8Array) => void
}

export class SpoolWriter {
  readonly #file: FileHandle
  readonly #onWritten: (bytes: Uint8Array) => void
  readonly #bufferBytes: number
  #position: number
  #filling: Buffer | undefined
  #filled = 0
  #spare: Buffer | undefined
  #writing: Promise<void> | undefined
  #failure: { readonly error: unknown } | undefined

  constructor({ file, position, size, onWritten }: SpoolWriterOptions) {
    this.#file = file
    this.#position = position
    this.#onWritten = onWritten
    this.#bufferBytes = Math.max(1, Math.min(largestBuffer, (size ?? Number.POSITIVE_INFINITY) - position))
  }

  /** Resolves when there is room for more. Throws what the disk says, maybe of bytes that were added before. */
  async add(chunk: Uint8Array): Promise<void> {
    for (let at = 0; at < chunk.length; ) {
      if (this.#filled === this.#bufferBytes) await this.#writing
      if (this.#failure !== undefined) throw this.#failure.error
      this.#filling ??= this.#takeBuffer()
      const part = chunk.subarray(at, at + this.#bufferBytes - this.#filled)
      this.#filling.set(part, this.#filled)
      this.#filled += part.length
      at += part.length
      this.#writing ??= this.#write()
    }
  }

  /** Resolves when all is in the file. Throws what the disk says. */
  async flush(): Promise<void> {
    await this.#writing
    if (this.#failure !== undefined) throw this.#failure.error
  }

  #takeBuffer(): Buffer {
    const buffer = this.#spare ?? Buffer.allocUnsafeSlow(this.#bufferBytes)
    this.#spare = undefined
    return buffer
  }

  /** Writes until nothing is left. Never rejects. */
  async #write(): Promise<void> {
    try {
      for (let buffer = this.#filling; buffer !== undefined; buffer = this.#filling) {
        const bytes = buffer.subarray(0, this.#filled)
        this.#filling = undefined
        this.#filled = 0
        await writeAll(this.#file, bytes, this.#position)
        this.#position += bytes.length
        this.#onWritten(bytes)
        this.#spare = buffer
      }
    } catch (error) {
      this.#failure = { error }
    }
    this.#writing = undefined
  }
}

async function writeAll(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let written = 0; written < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, written, bytes.length - written, position + written)
    written += bytesWritten
  }
}
