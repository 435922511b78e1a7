// Which files are known to hold the bytes of their digest, in the state that they are in now: those that this process has verified, and
// nobody has written to since. Only these may be sent in ways that look at no byte.
import { LRUCache } from 'lru-cache'
import { algorithmOf, type Digest, digestOfHash, hashFor } from '../oci/digest.ts'

const mostKnown = 100_000

interface FileState {
  readonly size: number
  /** Milliseconds since 1970. */
  readonly modifiedAt: number
}

export class KnownGood {
  readonly #states = new LRUCache<Digest, FileState>({ max: mostKnown })

  has(digest: Digest, size: number): boolean {
    return this.#states.get(digest)?.size === size
  }

  verified(digest: Digest, { size, modifiedAt }: FileState): void {
    this.#states.set(digest, { size, modifiedAt: Math.round(modifiedAt) })
  }

  /** The store itself gave the file another time, and left its bytes alone. */
  touched(digest: Digest, modifiedAt: number): void {
    const known = this.#states.get(digest)
    if (known !== undefined) this.#states.set(digest, { size: known.size, modifiedAt: Math.round(modifiedAt) })
  }

  /** How it is found on the disk: another state than the known one is not known to be good. */
  seen(digest: Digest, { size, modifiedAt }: FileState): void {
    const known = this.#states.get(digest)
    if (known !== undefined && (known.size !== size || Math.abs(known.modifiedAt - modifiedAt) > 1)) this.#states.delete(digest)
  }
}

/** All bytes of a file, of which the last ones are given out only when all are right. Throws then, else calls `onGood`. */
export async function* verifiedRead(
  chunks: AsyncIterable<Uint8Array>,
  { digest, size }: { readonly digest: Digest; readonly size: number },
  onGood: () => void,
): AsyncGenerator<Uint8Array, void, void> {
  const hash = hashFor(digest)
  let position = 0
  for await (const chunk of chunks) {
    hash.update(chunk)
    position += chunk.length
    if (position >= size) {
      const actual = digestOfHash(hash, algorithmOf(digest))
      if (actual !== digest) throw new Error(`the stored bytes are those of ${actual}`)
      onGood()
    }
    yield chunk
  }
}
