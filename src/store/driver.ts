// Storage drivers: bytes by path. They know nothing of registries; every path comes from layout.ts.
import type { ByteRange } from '../oci/range.ts'

export interface StoredEntry {
  readonly kind: 'file' | 'directory'
  /** Bytes; 0 for a directory. */
  readonly size: number
  /** Milliseconds since 1970. */
  readonly modifiedAt: number
}

export interface AppendOptions {
  /** The driver may give a chunk's memory back once it is written; nobody may look at the chunk again then. */
  readonly freesChunks?: boolean
  /** Nobody has written there before, as the caller knows from the name: it is not looked for. */
  readonly isNew?: boolean
}

/** What a driver has learned of a file while it renewed it. */
export interface Renewed {
  readonly size?: number
  readonly bytes?: Uint8Array | undefined
}

/**
 * Paths begin with `/` and match distribution's rule `(/[A-Za-z0-9._-]+)+`; drivers may trust that.
 * Absence is `undefined` (or `false`); everything else that fails is thrown as it comes from the system.
 * Every driver passes test/contracts/storage-driver.ts.
 */
export interface StorageDriver {
  /** As in the configuration: `filesystem`, `inmemory`, … */
  readonly name: string
  stat(path: string): Promise<StoredEntry | undefined>
  /** A small file, whole. */
  read(path: string): Promise<Uint8Array | undefined>
  /** All or nothing, also across a crash: readers see the old bytes or the new ones. Makes folders on the way. */
  write(path: string, bytes: Uint8Array): Promise<void>
  /**
   * Writes behind the file's last byte, which must be at `offset`; 0: the file may be absent, and is made, also without bytes.
   * When the body breaks, the disk refuses or `signal` aborts, what came before stays, and the error is thrown as it is.
   * A crash leaves a beginning of the bytes; `move` makes them last. Chunks must keep their bytes until this settles.
   * Answers the file's new size.
   */
  append(path: string, offset: number, body: AsyncIterable<Uint8Array>, signal: AbortSignal, options?: AppendOptions): Promise<number>
  /** Gives a file the time as that of its last change (milliseconds since 1970), as far as its owner allows. False: there is none. */
  touch(path: string, changedAt: number): Promise<boolean>
  /** The file's bytes, or those of the range. A chunk is valid only until the next one is asked for. Throws if the file is absent. */
  open(path: string, range: ByteRange | undefined, signal: AbortSignal): AsyncIterable<Uint8Array>
  /** Names of the direct children, in no order; `undefined` if there is no such folder. */
  list(path: string): Promise<string[] | undefined>
  /** Replaces the target, durably: a crash can't lose or halve the file afterwards. Throws if the source is absent. */
  move(from: string, to: string): Promise<void>
  /** A file, or a folder with all below it. False: there was nothing. */
  remove(path: string): Promise<boolean>
  /** A folder with nothing in it, also when others write beside it. False: it is absent or not empty, and stays. */
  removeEmptyFolder(path: string): Promise<boolean>
  /** Takes over a complete file of this machine, durably: after it resolves, a crash can't lose or halve it. The file is gone afterwards. */
  adopt(file: string, path: string): Promise<void>
  /**
   * Optional power: removes what writes below `path` have left behind when they were cut off by a crash, and that was last changed
   * before `olderThanAt` (milliseconds since 1970), which must be before any write that runs began: other processes may be writing.
   * Answers how many files.
   */
  removeLeftovers?(path: string, olderThanAt: number, signal: AbortSignal): Promise<number>
  /** Optional power: where this path lies on this machine, for those who can send files directly. */
  localFile?(path: string): string
  /** Optional power: a folder of this machine on the same device, from which `adopt` is a mere rename. */
  readonly spoolFolder?: string
  /** Optional power: the size of a file, where that is cheaper than `stat` because its time is not asked for. */
  sizeOf?(path: string): Promise<number | undefined>
  /** Optional power: `touch`, and what is learned on the way. `atMost`: the bytes, too, if there are no more of them. `undefined`: there is none. */
  renew?(path: string, changedAt: number, atMost?: number): Promise<Renewed | undefined>
  /**
   * How much younger than its time a file may really be, in milliseconds, because what was changed so lately is not renewed again.
   * Who deletes what is old must add it to what counts as young. Default: 0.
   */
  readonly renewalSlackMs?: number
  /** Optional power: how this process has left a file that it appended to. Nobody is asked: others may have gone on with it. */
  recall?(path: string): StoredEntry | undefined
  /** Optional power: a URL from which a client may read this file for some minutes, with this method only. */
  redirect?(path: string, method: 'GET' | 'HEAD'): string | Promise<string>
}
