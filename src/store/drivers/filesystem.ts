// The storage driver for a folder of this machine. What it writes is whole or not there: a temporary file beside the target,
// synced, then renamed. It takes no locks; other processes may use the same folder.
import { randomUUID } from 'node:crypto'
import { constants } from 'node:fs'
import { copyFile, type FileHandle, mkdir, open, readdir, rename, rm, rmdir, stat, utimes } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { readBuffers } from '../../lib/read-buffers.ts'
import type { ByteRange } from '../../oci/range.ts'
import type { AppendOptions, StorageDriver, StoredEntry } from '../driver.ts'
import { fillsFolder } from '../layout.ts'
import { appendTo } from './append.ts'

// As registry:3 names its own, beside `link` and `data`: distribution's walks look for those two names only.
const temporaryPattern = /\.[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\.tmp$/
const smallFileBytes = 8 * 1024
/** A folder can vanish between its making and its use, when another process removes what it became empty of. */
const folderAttempts = 5

export class FilesystemDriver implements StorageDriver {
  readonly name = 'filesystem'
  readonly spoolFolder: string
  readonly #root: string

  /** `root` need not exist. A relative one is meant from the working directory. */
  constructor(options: { readonly root: string }) {
    this.#root = resolve(options.root)
    this.spoolFolder = this.localFile(fillsFolder)
  }

  localFile(path: string): string {
    return this.#root + path
  }

  async stat(path: string): Promise<StoredEntry | undefined> {
    try {
      const found = await stat(this.localFile(path))
      const isFolder = found.isDirectory()
      return { kind: isFolder ? 'directory' : 'file', size: isFolder ? 0 : found.size, modifiedAt: found.mtimeMs }
    } catch (error) {
      if (isAbsence(error)) return undefined
      throw error
    }
  }

  async read(path: string): Promise<Uint8Array | undefined> {
    try {
      await using file = await open(this.localFile(path), 'r')
      return await readWhole(file)
    } catch (error) {
      if (isAbsence(error) || hasCode(error, 'EISDIR')) return undefined
      throw error
    }
  }

  async write(path: string, bytes: Uint8Array): Promise<void> {
    const target = this.localFile(path)
    const temporary = temporaryBeside(target)
    const file = await inFolder(dirname(target), () => open(temporary, 'wx', 0o666))
    await placing(temporary, target, async () => {
      try {
        await file.writeFile(bytes)
        await file.datasync()
      } finally {
        await file.close()
      }
    })
  }

  async append(
    path: string,
    offset: number,
    body: AsyncIterable<Uint8Array>,
    signal: AbortSignal,
    options?: AppendOptions,
  ): Promise<number> {
    signal.throwIfAborted()
    const target = this.localFile(path)
    const { O_WRONLY, O_CREAT } = constants
    await using file = await (offset === 0
      ? inFolder(dirname(target), () => open(target, O_WRONLY | O_CREAT, 0o666))
      : open(target, O_WRONLY))
    const { size } = await file.stat()
    if (size !== offset) throw new Error(`${path} has ${size} bytes, so nothing can be appended at ${offset}`)
    return await appendTo(file, offset, { body, signal, freesChunks: options?.freesChunks ?? false })
  }

  async touch(path: string, changedAt: number): Promise<boolean> {
    try {
      await utimes(this.localFile(path), changedAt / 1000, changedAt / 1000)
      return true
    } catch (error) {
      if (isAbsence(error)) return false
      // It is there, but belongs to somebody else, or nothing may be changed here.
      if (['EPERM', 'EACCES', 'EROFS'].some((code) => hasCode(error, code))) return true
      throw error
    }
  }

  async *open(path: string, range: ByteRange | undefined, signal: AbortSignal): AsyncGenerator<Uint8Array, void, void> {
    signal.throwIfAborted()
    await using file = await open(this.localFile(path), 'r')
    const start = range?.start ?? 0
    const endExclusive = range === undefined ? (await file.stat()).size : range.end + 1
    yield* readBuffers.readChunks(file.fd, start, endExclusive, signal)
  }

  async list(path: string): Promise<string[] | undefined> {
    try {
      return await readdir(this.localFile(path))
    } catch (error) {
      if (isAbsence(error)) return undefined
      throw error
    }
  }

  async move(from: string, to: string): Promise<void> {
    const [source, target] = [this.localFile(from), this.localFile(to)]
    // Asked first, so that a move of nothing makes no folders.
    const isFile = (await stat(source)).isFile()
    if (isFile) await syncFile(source)
    await inFolder(dirname(target), () => rename(source, target))
    await syncFolder(dirname(target))
  }

  async remove(path: string): Promise<boolean> {
    try {
      await rm(this.localFile(path), { recursive: true, maxRetries: folderAttempts })
      return true
    } catch (error) {
      if (isAbsence(error)) return false
      throw error
    }
  }

  async removeEmptyFolder(path: string): Promise<boolean> {
    try {
      await rmdir(this.localFile(path))
      return true
    } catch (error) {
      if (isAbsence(error) || hasCode(error, 'ENOTEMPTY') || hasCode(error, 'EEXIST')) return false
      throw error
    }
  }

  /** The file keeps its mode. */
  async adopt(file: string, path: string): Promise<void> {
    const target = this.localFile(path)
    await syncFile(file)
    try {
      await inFolder(dirname(target), () => rename(file, target))
    } catch (error) {
      if (!hasCode(error, 'EXDEV')) throw error
      await copyAcrossDevices(file, target)
      await rm(file)
    }
    await syncFolder(dirname(target))
  }

  async removeLeftovers(path: string, olderThanAt: number, signal: AbortSignal): Promise<number> {
    signal.throwIfAborted()
    let removed = 0
    for (const name of (await this.list(path)) ?? []) {
      const child = `${path}/${name}`
      const entry = await this.stat(child)
      if (entry?.kind === 'directory') removed += await this.removeLeftovers(child, olderThanAt, signal)
      else if (entry !== undefined && entry.modifiedAt < olderThanAt && temporaryPattern.test(name) && (await this.remove(child)))
        removed += 1
    }
    return removed
  }
}

function temporaryBeside(target: string): string {
  return `${target}.${randomUUID()}.tmp`
}

/** Runs `fill`, which must make `temporary` whole and synced, then puts it in the target's place; on failure it is gone. */
async function placing(temporary: string, target: string, fill: () => Promise<void>): Promise<void> {
  try {
    await fill()
    await rename(temporary, target)
  } catch (error) {
    // What failed first is what the caller must hear of; a leftover is harmless.
    await rm(temporary, { force: true }).catch(() => undefined)
    throw error
  }
  await syncFolder(dirname(target))
}

async function copyAcrossDevices(source: string, target: string): Promise<void> {
  const temporary = temporaryBeside(target)
  await placing(temporary, target, async () => {
    await copyFile(source, temporary, constants.COPYFILE_EXCL)
    await syncFile(temporary)
  })
}

/** Runs what needs the folder; makes the folder only when it turns out to be missing. */
async function inFolder<T>(folder: string, work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work()
    } catch (error) {
      if (!hasCode(error, 'ENOENT') || attempt === folderAttempts) throw error
      await makeFolder(folder)
    }
  }
}

/** Folders are entries of their parents, which need a sync of their own to outlive a power cut. */
async function makeFolder(folder: string): Promise<void> {
  const first = await mkdir(folder, { recursive: true })
  if (first === undefined) return
  const top = dirname(first)
  for (let parent = dirname(folder); parent.length >= top.length; parent = dirname(parent)) {
    await syncFolder(parent)
    if (parent === top) return
  }
}

async function syncFile(path: string): Promise<void> {
  await using file = await open(path, 'r')
  await file.datasync()
}

async function syncFolder(path: string): Promise<void> {
  try {
    await using folder = await open(path, 'r')
    await folder.sync()
  } catch (error) {
    // Some network file systems can't sync a folder, and one may be enterable but not readable (the parent of the root):
    // there a rename is as durable as it gets. One that is gone again was empty, so there is nothing to lose.
    if (!['EINVAL', 'ENOTSUP', 'EACCES', 'ENOENT'].some((code) => hasCode(error, code))) throw error
  }
}

/** One system call for what fits into a few KiB, as nearly all links and manifests do. */
async function readWhole(file: FileHandle): Promise<Uint8Array> {
  const parts: Buffer[] = []
  for (let size = smallFileBytes; ; size = Math.max(size, 256 * 1024)) {
    const buffer = Buffer.allocUnsafeSlow(size)
    const { bytesRead } = await file.read(buffer, 0, size, null)
    parts.push(buffer.subarray(0, bytesRead))
    // A regular file gives less than asked for only at its end.
    if (bytesRead < size) return parts.length === 1 ? buffer.subarray(0, bytesRead) : Buffer.concat(parts)
  }
}

function isAbsence(error: unknown): boolean {
  return hasCode(error, 'ENOENT') || hasCode(error, 'ENOTDIR')
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}
