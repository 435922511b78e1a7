// Names in folders, sorted and remembered: a folder of 100,000 tags is read and sorted once, not for each page of it.
// A folder's time changes when something comes or goes, whichever process does it, and one look at it is all that a hit costs.
import { LRUCache } from 'lru-cache'
import type { Clock } from '../lib/clock.ts'
import type { StorageDriver } from './driver.ts'

/** Frozen, in byte order. */
export type Listing = readonly string[]

/** Two changes within one tick of the file system's clock give one time. Times with a fraction of a second tell of ticks of milliseconds. */
const fineTickMs = 250
/** Two seconds, as FAT has. */
const coarseTickMs = 2500
const maxBytes = 48 * 1024 * 1024

export class Listings {
  readonly #driver: StorageDriver
  readonly #clock: Clock
  /** Running looks: a crowd that asks for a large folder reads it once. */
  readonly #looking = new Map<string, Promise<Listing | undefined>>()
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
    // By its time, so that who comes after a change never gets what was read before it.
    const key = `${folder.modifiedAt} ${path}`
    const isSettled = this.#clock.now() - folder.modifiedAt >= tickOf(folder.modifiedAt)
    if (!isSettled) return this.#read(path, undefined)
    const running = this.#looking.get(key)
    if (running !== undefined) return running
    const looking = this.#read(path, folder.modifiedAt).finally(() => this.#looking.delete(key))
    this.#looking.set(key, looking)
    return looking
  }

  /** `changedAt`: the folder's time, when nothing more can happen at it. */
  async #read(path: string, changedAt: number | undefined): Promise<Listing | undefined> {
    const names = await this.#driver.list(path)
    if (names === undefined) return undefined
    // Names are ASCII, for which the order of UTF-16 units is that of bytes.
    const listing = Object.freeze(names.sort())
    if (changedAt === undefined) this.#known.delete(path)
    else this.#known.set(path, { names: listing, changedAt })
    return listing
  }
}

function tickOf(modifiedAt: number): number {
  return modifiedAt % 1000 === 0 ? coarseTickMs : fineTickMs
}

/** Roughly what V8 takes for it. */
function bytesOf(names: Listing): number {
  let bytes = 500
  for (const name of names) bytes += name.length + 32
  return bytes
}
