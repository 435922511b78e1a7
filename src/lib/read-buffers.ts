// Reads files in large chunks from few buffers. A response that sends a file needs two: one is read into while the other
// is on its way out. All readers of the process share one budget, so a crowd gets small buffers and a few get large ones.
import { read } from 'node:fs'
import { BufferSlabs, type Piece } from './buffer-slabs.ts'

export interface ReadBufferLimits {
  /** What all readers together may hold, as long as the smallest buffers do not exceed it. */
  readonly maxBytes: number
  readonly smallestBytes: number
  readonly largestBytes: number
  /** What stays allocated for the next readers when nobody reads. */
  readonly idleBytes: number
}

// Up to 7 readers have 1 MiB buffers, 200 have 32 KiB, from 450 on each has 16 KiB. Larger than 1 MiB made nothing faster.
// In changing company the smallest buffers may come on top: all stay below 18 MiB with 200 readers.
const defaultLimits: ReadBufferLimits = {
  maxBytes: 14 * 1024 * 1024,
  smallestBytes: 16 * 1024,
  largestBytes: 1024 * 1024,
  idleBytes: 4 * 1024 * 1024,
}

interface Filled {
  readonly piece: Piece
  readonly length: number
}

export class ReadBuffers {
  readonly #limits: ReadBufferLimits
  readonly #slabs: BufferSlabs
  #lentBytes = 0
  #readers = 0

  /** Sizes must be powers of two. */
  constructor(limits: ReadBufferLimits = defaultLimits) {
    this.#limits = limits
    this.#slabs = new BufferSlabs(limits)
  }

  /** Bytes in the hands of readers. */
  get lentBytes(): number {
    return this.#lentBytes
  }

  /**
   * The bytes of an open file from `start` to before `endExclusive`, read ahead by one chunk.
   * A chunk is valid only until the next one is asked for or the reader is left: its memory is used again.
   * Throws when the file is shorter. The file stays open; close it only after the generator has ended.
   */
  async *readChunks(fd: number, start: number, endExclusive: number, signal: AbortSignal): AsyncGenerator<Uint8Array, void, void> {
    let position = start
    let current: Piece | undefined
    let ahead: Promise<Filled> | undefined
    this.#readers += 1
    try {
      ahead = this.#readAhead(fd, position, endExclusive)
      while (ahead !== undefined) {
        const filled: Filled = await ahead
        ahead = undefined
        current = filled.piece
        signal.throwIfAborted()
        position += filled.length
        ahead = this.#readAhead(fd, position, endExclusive)
        yield current.buffer.subarray(0, filled.length)
        this.#giveBack(current)
        current = undefined
      }
    } finally {
      this.#readers -= 1
      if (current !== undefined) this.#giveBack(current)
      // The system still writes into the buffer that is read ahead; nobody else may have it before that is over.
      const left = await ahead?.catch(() => undefined)
      if (left !== undefined) this.#giveBack(left.piece)
    }
  }

  #readAhead(fd: number, position: number, endExclusive: number): Promise<Filled> | undefined {
    const wanted = endExclusive - position
    if (wanted <= 0) return undefined
    const piece = this.#lend(wanted)
    const filling = readSome(fd, piece, Math.min(wanted, piece.buffer.length), position).catch((error: unknown) => {
      this.#giveBack(piece)
      throw error
    })
    // The failure is met by the next `await ahead`, which comes only when the consumer asks again.
    filling.catch(() => undefined)
    return filling
  }

  #lend(wanted: number): Piece {
    const piece = this.#slabs.take(this.#sizeFor(wanted))
    this.#lentBytes += piece.buffer.length
    return piece
  }

  /** A fair share, but never more than is left: slow readers may sit on large buffers from a quieter time. */
  #sizeFor(wanted: number): number {
    const { maxBytes, smallestBytes, largestBytes } = this.#limits
    const share = Math.min(maxBytes / (2 * this.#readers), (maxBytes - this.#lentBytes) / 2)
    let size = smallestBytes
    while (size < largestBytes && size * 2 <= share && size < wanted) size *= 2
    return size
  }

  #giveBack(piece: Piece): void {
    this.#lentBytes -= piece.buffer.length
    this.#slabs.give(piece)
  }
}

/** The budget of the process. */
export const readBuffers = new ReadBuffers()

function readSome(fd: number, piece: Piece, length: number, position: number): Promise<Filled> {
  return new Promise((resolve, reject) => {
    read(fd, piece.buffer, 0, length, position, (error, bytesRead) => {
      if (error !== null) reject(error)
      else if (bytesRead === 0) reject(new Error(`the file ends at byte ${position}, before its expected end`))
      else resolve({ piece, length: bytesRead })
    })
  })
}
