// Blobs of the store, made steady: one that was found but is gone, or turns out damaged, before its first byte is out comes from
// upstream instead, and the client notices nothing. After the first byte the client is cut, and the next one gets the right bytes.
import type { BlobHandle } from '../content.ts'
import type { Digest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/names.ts'
import type { ByteRange } from '../oci/range.ts'
import type { Log } from '../telemetry/log.ts'

/** `undefined`: upstream has no such blob any more. Throws UpstreamFailure. */
export type Refetch = (repository: RepositoryName, digest: Digest, signal: AbortSignal) => Promise<BlobHandle | undefined>

export class SteadyBlobs {
  readonly #refetch: Refetch
  readonly #log: Log
  /** A popular blob is the same handle every time. */
  readonly #known = new WeakMap<BlobHandle, BlobHandle>()

  constructor(refetch: Refetch, log: Log) {
    this.#refetch = refetch
    this.#log = log
  }

  of(repository: RepositoryName, stored: BlobHandle): BlobHandle {
    const known = this.#known.get(stored)
    if (known !== undefined) return known
    const handle = { ...stored, open: (range: ByteRange | undefined, signal: AbortSignal) => this.#open(repository, stored, range, signal) }
    this.#known.set(stored, handle)
    return handle
  }

  async *#open(
    repository: RepositoryName,
    stored: BlobHandle,
    range: ByteRange | undefined,
    signal: AbortSignal,
  ): AsyncGenerator<Uint8Array, void, void> {
    const { digest, size } = stored.descriptor
    let hasBegun = false
    let failure: unknown
    try {
      for await (const chunk of stored.open(range, signal)) {
        hasBegun = true
        yield chunk
      }
      return
    } catch (error) {
      if (signal.aborted) throw error
      failure = error
    }
    this.#log.error({ repository, digest, error: failure }, 'a stored blob cannot be read: it is fetched again')
    const again = await this.#refetch(repository, digest, signal)
    // What was announced to the client must be what it gets.
    if (hasBegun || again === undefined || again.descriptor.size !== size) throw failure
    yield* again.open(range, signal)
  }
}
