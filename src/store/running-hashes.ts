// Hashes of uploads that go on, so that finishing one need not read it again. They live in this process only: distribution's
// files of such states need the inside of a hash, which Node does not give; without them it reads the bytes again, as we do.
import { createHash, type Hash } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import { type Digest, type DigestAlgorithm, digestOfHash } from '../oci/digest.ts'
import type { StoredEntry } from './driver.ts'

/** Far more than run at once; one costs less than a kilobyte. */
const maxHashes = 10_000

export class RunningHash {
  readonly algorithm: DigestAlgorithm
  readonly #hash: Hash
  #size = 0
  /** The file's time after our last write: another one tells that somebody else wrote. */
  #changedAt: number | undefined

  constructor(algorithm: DigestAlgorithm) {
    this.algorithm = algorithm
    this.#hash = createHash(algorithm)
  }

  /** Passes the chunks on, and takes them in. */
  async *taking(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, void> {
    for await (const chunk of body) {
      this.#hash.update(chunk)
      this.#size += chunk.length
      yield chunk
    }
  }

  settle(file: StoredEntry): void {
    this.#changedAt = file.modifiedAt
  }

  /** Whether it is of exactly the bytes that are in the file now. */
  isOf(file: StoredEntry): boolean {
    return this.#size === file.size && this.#changedAt === file.modifiedAt
  }

  /** May be asked for again, also after more bytes. */
  digest(): Digest {
    return digestOfHash(this.#hash.copy(), this.algorithm)
  }
}

/** By upload. What is not in here any more is hashed from the file. */
export function runningHashes(): LRUCache<string, RunningHash> {
  return new LRUCache({ max: maxHashes })
}
