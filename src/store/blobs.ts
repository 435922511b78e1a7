// Layers and configs. Their bytes lie once for all repositories; a repository has a blob when its link says so and the bytes are there.
import type { BlobHandle, Provenance } from '../content.ts'
import type { Clock } from '../lib/clock.ts'
import type { Descriptor } from '../oci/descriptor.ts'
import type { Digest } from '../oci/digest.ts'
import { RegistryError } from '../oci/errors.ts'
import { mediaTypes } from '../oci/media-types.ts'
import type { RepositoryName } from '../oci/names.ts'
import type { ByteRange } from '../oci/range.ts'
import type { DescriptorCache } from './descriptors/cache.ts'
import type { Renewed, StorageDriver, StoredEntry } from './driver.ts'
import { KnownGood, verifiedRead } from './known-good.ts'
import { blobDataPath, layerLinkPath } from './layout.ts'
import { digestIn, readLink } from './links.ts'
import { isRescued, renew, renewedText, renewLink } from './renewal.ts'
import { pushTrouble, trouble } from './trouble.ts'

/** How everything came about that is found in the store. */
export const fromStore: Provenance = Object.freeze({ verdict: 'hit' })

export class Blobs {
  readonly #driver: StorageDriver
  readonly #cache: DescriptorCache | undefined
  readonly #clock: Clock
  readonly #good = new KnownGood()
  /** Counts what was taken out: a look that began before must not be remembered after. */
  #removals = 0
  /** One handle per remembered descriptor: a popular blob is the same object every time. */
  readonly #handles = new WeakMap<Descriptor, BlobHandle>()

  constructor(driver: StorageDriver, cache: DescriptorCache | undefined, clock: Clock) {
    this.#driver = driver
    this.#cache = cache
    this.#clock = clock
  }

  async find(repository: RepositoryName, digest: Digest): Promise<BlobHandle | undefined> {
    const known = await this.#cache?.find(repository, digest)
    return known === undefined ? this.#look(repository, digest) : this.#handleOf(known)
  }

  /** As `find`, for those who rely on the answer before they push: the blob is safe from the sweep, and the look is fresh. */
  async findForPush(repository: RepositoryName, digest: Digest): Promise<BlobHandle | undefined> {
    const removals = this.#removals
    const renewed = await this.#renew(digest)
    if (renewed === undefined) return undefined
    try {
      const text = await renewedText(this.#driver, layerLinkPath(repository, digest), this.#clock.now())
      if (digestIn(text) !== digest) return undefined
      const size = renewed.size ?? (await this.#lookTwice(blobDataPath(digest), () => this.#stat(digest)))?.size
      return size === undefined ? undefined : await this.#found(repository, digest, size, removals)
    } catch (error) {
      throw trouble(`looking for blob ${digest} of ${repository}`, error)
    }
  }

  /** Whether the bytes are kept; if so, the sweep leaves them alone for a while. */
  async renew(digest: Digest): Promise<boolean> {
    return (await this.#renew(digest)) !== undefined
  }

  async #renew(digest: Digest): Promise<Renewed | undefined> {
    try {
      const now = this.#clock.now()
      const renewed = await renew(this.#driver, blobDataPath(digest), now)
      if (renewed !== undefined) this.#good.touched(digest, now)
      return renewed
    } catch (error) {
      throw trouble(`looking for blob ${digest}`, error)
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
    if (!(await this.renew(digest))) throw new RegistryError('BLOB_UNKNOWN', 'blob unknown to registry', { detail: { digest } })
    try {
      await renewLink(this.#driver, layerLinkPath(repository, digest), digest, this.#clock.now())
    } catch (error) {
      throw trouble(`linking blob ${digest} into ${repository}`, error)
    }
  }

  /** Only the link; false: there was none. */
  async unlink(repository: RepositoryName, digest: Digest): Promise<boolean> {
    const link = layerLinkPath(repository, digest)
    try {
      const wasLinked = (await readLink(this.#driver, link)) === digest
      await this.#driver.remove(link)
      return wasLinked
    } catch (error) {
      throw trouble(`taking blob ${digest} out of ${repository}`, error)
    } finally {
      await this.forget(repository, digest)
    }
  }

  /** For those who took the link away themselves. */
  async forget(repository: RepositoryName, digest: Digest): Promise<void> {
    this.#removals += 1
    await this.#cache?.remove(repository, digest)
  }

  /** Makes a complete, verified file of the store the blob's bytes, and links it. Bytes that are kept already may be damaged, so they are replaced. */
  async take(repository: RepositoryName, digest: Digest, path: string): Promise<void> {
    try {
      await this.#driver.touch(path, this.#clock.now())
      await this.#driver.move(path, blobDataPath(digest))
      await this.#verified(digest)
      await renewLink(this.#driver, layerLinkPath(repository, digest), digest, this.#clock.now())
    } catch (error) {
      throw pushTrouble(`keeping blob ${digest} of ${repository}`, error)
    }
    await this.#cache?.remove(repository, digest)
  }

  /** Replaces bytes that are kept already: they may be damaged, and those who read them now are not disturbed. */
  async adopt(repository: RepositoryName, digest: Digest, file: string): Promise<void> {
    const link = layerLinkPath(repository, digest)
    try {
      await this.#driver.adopt(file, blobDataPath(digest))
      // A mere rename leaves the file its time.
      if (this.#driver.spoolFolder !== undefined) await this.#driver.touch(blobDataPath(digest), this.#clock.now())
      await this.#verified(digest)
      await renewLink(this.#driver, link, digest, this.#clock.now())
    } catch (error) {
      throw trouble(`keeping blob ${digest} of ${repository}`, error)
    }
    await this.#cache?.remove(repository, digest)
  }

  async #look(repository: RepositoryName, digest: Digest): Promise<BlobHandle | undefined> {
    const removals = this.#removals
    try {
      const stored = await this.#lookTwice(blobDataPath(digest), () => this.#stat(digest))
      const link = layerLinkPath(repository, digest)
      if (stored === undefined || (await this.#lookTwice(link, () => readLink(this.#driver, link))) !== digest) return undefined
      return await this.#found(repository, digest, stored.size, removals)
    } catch (error) {
      throw trouble(`looking for blob ${digest} of ${repository}`, error)
    }
  }

  /** `removals`: as many as there had been when the look began. */
  async #found(repository: RepositoryName, digest: Digest, size: number, removals: number): Promise<BlobHandle> {
    const descriptor = Object.freeze({ mediaType: mediaTypes.blob, digest, size })
    if (removals === this.#removals) await this.#cache?.put(repository, descriptor)
    return this.#handleOf(descriptor)
  }

  /** What a sweep had only taken aside is found the second time. */
  async #lookTwice<T>(path: string, look: () => Promise<T | undefined>): Promise<T | undefined> {
    return (await look()) ?? ((await isRescued(this.#driver, path)) ? look() : undefined)
  }

  async #stat(digest: Digest): Promise<{ readonly size: number } | undefined> {
    const path = blobDataPath(digest)
    if (this.#driver.sizeOf !== undefined) {
      const size = await this.#driver.sizeOf(path)
      return size === undefined ? undefined : { size }
    }
    const entry = await this.#driver.stat(path)
    if (entry?.kind !== 'file') return undefined
    this.#good.seen(digest, entry)
    return { size: entry.size }
  }

  #isTrusted(digest: Digest, size: number): boolean {
    return this.#driver.localFile === undefined || this.#good.has(digest, size)
  }

  /** What was just put there was verified before. */
  async #verified(digest: Digest): Promise<void> {
    // A store elsewhere looks after its bytes itself.
    const entry = this.#driver.localFile === undefined ? undefined : await this.#driver.stat(blobDataPath(digest))
    if (entry !== undefined) this.#good.verified(digest, entry)
  }

  #handleOf(descriptor: Descriptor): BlobHandle {
    const known = this.#handles.get(descriptor)
    if (known !== undefined) return known
    const { digest, size } = descriptor
    const onGood = (entry: StoredEntry | undefined) => {
      if (entry?.size !== size) return
      this.#good.verified(digest, entry)
      this.#handles.delete(descriptor)
    }
    const handle = storedBlob(this.#driver, descriptor, this.#isTrusted(digest, size) ? undefined : onGood)
    this.#handles.set(descriptor, handle)
    return handle
  }
}

/** With `onGood` the bytes are not known to be good: they are not offered as a file, and verified as they go out. It is told when they were. */
function storedBlob(driver: StorageDriver, descriptor: Descriptor, onGood: Reading['onGood']): BlobHandle {
  const path = blobDataPath(descriptor.digest)
  const file = onGood === undefined ? driver.localFile?.(path) : undefined
  const redirect = driver.redirect?.bind(driver, path)
  return Object.freeze({
    descriptor,
    provenance: fromStore,
    ...(file === undefined ? undefined : { file }),
    ...(redirect === undefined ? undefined : { redirect }),
    open: (range: ByteRange | undefined, signal: AbortSignal) => read(driver, path, descriptor, { range, signal, onGood }),
  })
}

interface Reading {
  readonly range: ByteRange | undefined
  readonly signal: AbortSignal
  /** Gets the file as it was when its bytes were read. */
  readonly onGood: ((entry: StoredEntry | undefined) => void) | undefined
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
    const { range, signal, onGood } = reading
    if (onGood === undefined || range !== undefined || whole === undefined) return yield* driver.open(path, range ?? whole, signal)
    const entry = await driver.stat(path)
    yield* verifiedRead(driver.open(path, whole, signal), descriptor, () => onGood(entry))
  } catch (error) {
    if (reading.signal.aborted) throw error
    throw trouble(`reading blob ${descriptor.digest}`, error)
  }
}
