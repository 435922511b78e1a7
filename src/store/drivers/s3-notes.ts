// Times that S3 objects can't be given: a note, an empty object below /entrepot/touched, says when the file was renewed. Its own time
// and what it says are compared with the object's; what is younger than `renewalSlackMs` by itself needs no note.
import { LRUCache } from 'lru-cache'
import { touchedFolder } from '../layout.ts'
import type { Bucket, StoredObject } from './s3-bucket.ts'

/** See StorageDriver.renewalSlackMs: the steps of one push follow each other much faster. */
export const renewalSlackMs = 30_000

const mostRemembered = 10_000

export class S3Notes {
  readonly #bucket: Bucket
  readonly #keyOf: (path: string) => string
  /** What this process noted lately: to which state of the object, and which time. */
  readonly #written = new LRUCache<string, { readonly modifiedAt: number; readonly changedAt: number }>({ max: mostRemembered })

  constructor(bucket: Bucket, keyOf: (path: string) => string) {
    this.#bucket = bucket
    this.#keyOf = keyOf
  }

  read(path: string): Promise<StoredObject | undefined> {
    return this.#bucket.head(this.#key(path))
  }

  /** Whether the object, as it was just seen, counts as changed at that time already. */
  isRenewed(path: string, { modifiedAt }: StoredObject, changedAt: number): boolean {
    if (Math.abs(changedAt - modifiedAt) <= renewalSlackMs) return true
    const written = this.#written.get(path)
    return written?.modifiedAt === modifiedAt && Math.abs(changedAt - written.changedAt) <= renewalSlackMs
  }

  async write(path: string, changedAt: number): Promise<void> {
    this.#written.delete(path)
    await this.#bucket.put(this.#key(path), new Uint8Array(), changedAt)
  }

  /** Writes it, and looks whether the file was there when it had come to be. */
  async renew(path: string, { modifiedAt }: StoredObject, changedAt: number): Promise<boolean> {
    await this.write(path, changedAt)
    const after = await this.#bucket.head(this.#keyOf(path))
    if (after?.modifiedAt === modifiedAt) this.#written.set(path, { modifiedAt, changedAt })
    return after !== undefined
  }

  async remove(path: string): Promise<void> {
    this.#written.delete(path)
    await this.#bucket.delete(this.#key(path))
  }

  #key(path: string): string {
    return this.#keyOf(`${touchedFolder}${path}`)
  }
}

/** When the object was last changed or renewed. A note counts for what was there when it was written, not for what replaced that. */
export function changeOf(object: StoredObject, note: StoredObject | undefined): number {
  return note?.changedAt !== undefined && note.modifiedAt >= object.modifiedAt ? note.changedAt : object.modifiedAt
}
