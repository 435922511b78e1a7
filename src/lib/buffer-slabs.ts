// Buffers of several sizes out of few large pieces of memory that are used over and over. Memory of a Buffer that is dropped
// comes back only with a full garbage collection, so buffers that come and go would hold several times what is in use.
//
// A buddy allocator: a slab is halved until a piece fits, and two free halves become one again. Pieces are named by their
// address: number of the slab × size of a slab + offset in it; so the other half of a piece is at `address ^ size`.

export interface Piece {
  readonly buffer: Buffer
  readonly address: number
}

export interface SlabLimits {
  /** Powers of two. The largest is a whole slab. */
  readonly smallestBytes: number
  readonly largestBytes: number
  /** Slabs are made beyond this only where not even a smallest piece is left. */
  readonly maxBytes: number
  /** What stays when nobody uses any. */
  readonly idleBytes: number
}

export class BufferSlabs {
  readonly #limits: SlabLimits
  readonly #slabs = new Map<number, Buffer>()
  /** Addresses of free pieces, by their size. */
  readonly #free = new Map<number, Set<number>>()

  constructor(limits: SlabLimits) {
    this.#limits = limits
    for (let size = limits.smallestBytes; size <= limits.largestBytes; size *= 2) this.#free.set(size, new Set())
  }

  /** Bytes of memory, in use or not. */
  get heldBytes(): number {
    return this.#slabs.size * this.#limits.largestBytes
  }

  /** A piece of `size` bytes, a power of two, or a smaller one where that keeps the memory within its limit. */
  take(size: number): Piece {
    const address = this.#carve(size)
    if (address !== undefined) return this.#piece(address, size)
    const { maxBytes, smallestBytes, largestBytes } = this.#limits
    if (this.heldBytes + largestBytes > maxBytes && size > smallestBytes) return this.take(size / 2)
    this.#addSlab()
    return this.take(size)
  }

  give({ address, buffer }: Piece): void {
    const { largestBytes, idleBytes } = this.#limits
    let at = address
    let size = buffer.length
    while (size < largestBytes && this.#freeOf(size).delete(at ^ size)) {
      at &= ~size
      size *= 2
    }
    const whole = this.#freeOf(largestBytes)
    if (size === largestBytes && (whole.size + 1) * largestBytes > idleBytes) this.#slabs.delete(at / largestBytes)
    else this.#freeOf(size).add(at)
  }

  /** The address of a piece that is free now, halved from the smallest one that is large enough. */
  #carve(size: number): number | undefined {
    if (size > this.#limits.largestBytes) return undefined
    const free = this.#freeOf(size)
    for (const address of free) {
      free.delete(address)
      return address
    }
    const larger = this.#carve(size * 2)
    if (larger !== undefined) free.add(larger + size)
    return larger
  }

  #addSlab(): void {
    const { largestBytes } = this.#limits
    let number = 0
    while (this.#slabs.has(number)) number += 1
    this.#slabs.set(number, Buffer.allocUnsafeSlow(largestBytes))
    this.#freeOf(largestBytes).add(number * largestBytes)
  }

  #piece(address: number, size: number): Piece {
    const { largestBytes } = this.#limits
    const slab = this.#slabs.get(Math.floor(address / largestBytes))
    const offset = address % largestBytes
    if (slab === undefined) throw new Error(`no slab holds the piece at ${address}`)
    return { address, buffer: slab.subarray(offset, offset + size) }
  }

  #freeOf(size: number): Set<number> {
    const free = this.#free.get(size)
    if (free === undefined) throw new Error(`no pieces have ${size} bytes`)
    return free
  }
}
