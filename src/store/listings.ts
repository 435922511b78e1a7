// Names in folders, sorted and remembered: a folder of 100,000 tags is read and sorted once, not for each page of it.
// A folder's time changes when something comes or goes, whichever process does it, and one look at it is all that a hit costs.
import { LRUCache } from 'lru-cache'
import type { Clock } from '../lib/clock.ts'
import type { StorageDriver } from './driver.ts'

/** Frozen, in byte order. */
export type Listing = readonly string[]

/** Two changes within one tick of the file system's clock give one time; ticks are some milliseconds, on FAT two seconds. */
const tickMs = 2500
const maxBytes = 48 * 1024 * 1024

export class Listings {
  readonly #driver: StorageDriver
  readonly #clock: Clock
  readonly #known: LRUCache<string, { readonly names: Listing; readonly changedAt: number }>

  constructor(driver: StorageDriver, clock: Clock, memoryBytes: number = maxBytes) {
    this.#driver = driver
    this.#clock = clock
    this.#known = new LRUCache({ maxSize: memoryBytes, sizeCalculation: ({ names }) => bytesOf(names) })
  }

  /** Names of the direct children; `undefined` if there is no such folder. */
  async list(path: string): Promise<Listing | undefined> {
    // Before the names: what comes between the two looks makes the time that is remembered too old, which is harmless.
    const folder = await this.#driver.stat(path)
    if (folder?.kind !== 'directory') return undefined
    const known = this.#known.get(path)
    if (known?.changedAt === folder.modifiedAt) return known.names
    const names = await this.#driver.list(path)
    if (names === undefined) return undefined
    // Names are ASCII, for which the order of UTF-16 units is that of bytes.
    const listing = Object.freeze(names.sort())
    if (this.#clock.now() - folder.modifiedAt >= tickMs) this.#known.set(path, { names: listing, changedAt: folder.modifiedAt })
    else this.#known.delete(path)
    return listing
  }
}

/** Roughly what V8 takes for it. */
function bytesOf(names: Listing): number {
  let bytes = 500
  for (const name of names) bytes += name.length + 32
  return bytes
}
