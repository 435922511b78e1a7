// Layers and configs. Their bytes lie once for all repositories; a repository has a blob when its link says so and the bytes are there.
import type { BlobHandle, Provenance } from '../content.ts'
import type { Descriptor } from '../oci/descriptor.ts'
import type { Digest } from '../oci/digest.ts'
import { RegistryError } from '../oci/errors.ts'
import { mediaTypes } from '../oci/media-types.ts'
import type { RepositoryName } from '../oci/names.ts'
import type { ByteRange } from '../oci/range.ts'
import type { DescriptorCache } from './descriptors/cache.ts'
import type { StorageDriver } from './driver.ts'
import { blobDataPath, layerLinkPath } from './layout.ts'
import { ensureLink, readLink } from './links.ts'
import { trouble } from './trouble.ts'

/** How everything came about that is found in the store. */
export const fromStore: Provenance = Object.freeze({ verdict: 'hit' })

export class Blobs {
  readonly #driver: StorageDriver
  readonly #cache: DescriptorCache | undefined
  /** One handle per remembered descriptor: a popular blob is the same object every time. */
  readonly #handles = new WeakMap<Descriptor, BlobHandle>()

  constructor(driver: StorageDriver, cache: DescriptorCache | undefined) {
    this.#driver = driver
    this.#cache = cache
  }

  async find(repository: RepositoryName, digest: Digest): Promise<BlobHandle | undefined> {
    const known = await this.#cache?.find(repository, digest)
    if (known !== undefined) return this.#handleOf(known)
    try {
      const [linked, stored] = await Promise.all([readLink(this.#driver, layerLinkPath(repository, digest)), this.#stat(digest)])
      if (linked !== digest || stored === undefined) return undefined
      const descriptor = Object.freeze({ mediaType: mediaTypes.blob, digest, size: stored.size })
      await this.#cache?.put(repository, descriptor)
      return this.#handleOf(descriptor)
    } catch (error) {
      throw trouble(`looking for blob ${digest} of ${repository}`, error)
    }
  }

  /** Whether the bytes are kept at all. */
  async stat(digest: Digest): Promise<{ readonly size: number } | undefined> {
    try {
      return await this.#stat(digest)
    } catch (error) {
      throw trouble(`looking for blob ${digest}`, error)
    }
  }

  /** Throws RegistryError BLOB_UNKNOWN when the bytes are not kept. */
  async link(repository: RepositoryName, digest: Digest): Promise<void> {
    if ((await this.stat(digest)) === undefined) throw new RegistryError('BLOB_UNKNOWN', 'blob unknown to registry', { detail: { digest } })
    try {
      await ensureLink(this.#driver, layerLinkPath(repository, digest), digest)
    } catch (error) {
      throw trouble(`linking blob ${digest} into ${repository}`, error)
    }
  }

  /** Replaces bytes that are kept already: they may be damaged, and those who read them now are not disturbed. */
  async adopt(repository: RepositoryName, digest: Digest, file: string): Promise<void> {
    const link = layerLinkPath(repository, digest)
    try {
      await this.#driver.adopt(file, blobDataPath(digest))
      await ensureLink(this.#driver, link, digest)
    } catch (error) {
      throw trouble(`keeping blob ${digest} of ${repository}`, error)
    }
    await this.#cache?.remove(repository, digest)
  }

  async #stat(digest: Digest): Promise<{ readonly size: number } | undefined> {
    const entry = await this.#driver.stat(blobDataPath(digest))
    return entry?.kind === 'file' ? { size: entry.size } : undefined
  }

  #handleOf(descriptor: Descriptor): BlobHandle {
    const known = this.#handles.get(descriptor)
    if (known !== undefined) return known
    const handle = storedBlob(this.#driver, descriptor)
    this.#handles.set(descriptor, handle)
    return handle
  }
}

function storedBlob(driver: StorageDriver, descriptor: Descriptor): BlobHandle {
  const path = blobDataPath(descriptor.digest)
  const file = driver.localFile?.(path)
  return Object.freeze({
    descriptor,
    provenance: fromStore,
    ...(file === undefined ? undefined : { file }),
    open: (range: ByteRange | undefined, signal: AbortSignal) => read(driver, path, descriptor, { range, signal }),
  })
}

interface Reading {
  readonly range: ByteRange | undefined
  readonly signal: AbortSignal
}

/** Asks for the whole as a range, too: so the driver notices a file that became shorter. */
async function* read(
  driver: StorageDriver,
  path: string,
  descriptor: Descriptor,
  reading: Reading,
): AsyncGenerator<Uint8Array, void, void> {
  const whole = descriptor.size === 0 ? undefined : { start: 0, end: descriptor.size - 1 }
  try {
    yield* driver.open(path, reading.range ?? whole, reading.signal)
  } catch (error) {
    if (reading.signal.aborted) throw error
    throw trouble(`reading blob ${descriptor.digest}`, error)
  }
}
