// The folder of partial files: blobs on their way in. Each process has its own folder in it, so that replicas may share a disk;
// what a dead process left behind is taken over and resumed, or removed when it is too old.
//
//   <spool>/<instance>/owner          JSON {host, pid}; its mtime is the heartbeat
//   <spool>/<instance>/sha256-<hex>   the first bytes of a blob, unverified
import { randomUUID } from 'node:crypto'
import { type FileHandle, mkdir, open, readdir, readFile, rename, rm, rmdir, stat, unlink, utimes, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { basename, join } from 'node:path'
import type { Clock } from '../lib/clock.ts'
import type { Digest } from '../oci/digest.ts'
import { errorText, type Log } from '../telemetry/log.ts'

const heartbeatMs = 20_000
/** An owner that was silent for so long is gone. */
const silenceMs = 90_000
/** A partial file that nobody asked for in so long is not worth its room. */
const oldestPartialMs = 24 * 3_600_000

/** A partial file that is being written. */
export interface SpoolFile {
  readonly path: string
  readonly handle: FileHandle
  /** Bytes that a former process left; 0 for a new file. */
  readonly leftBytes: number
}

export class Spool implements AsyncDisposable {
  readonly #folder: string
  readonly #own: string
  readonly #clock: Clock
  readonly #log: Log
  readonly #stopped = new AbortController()
  #isAnnounced = false

  private constructor(folder: string, clock: Clock, log: Log) {
    this.#folder = folder
    this.#own = join(folder, randomUUID())
    this.#clock = clock
    this.#log = log
  }

  /** Takes over what dead processes left in `folder`. A folder that can't be used is reported, not fatal: fills then pass through. */
  static async open(folder: string, clock: Clock, log: Log): Promise<Spool> {
    const spool = new Spool(folder, clock, log)
    try {
      await spool.#announce()
      await spool.#takeOver()
    } catch (error) {
      log.error({ folder, error }, 'the folder of partial files cannot be used: missed blobs are passed through without being kept')
    }
    return spool
  }

  /** Opens the partial file of this digest, an old one if there is one. Throws what the file system says. */
  async claim(digest: Digest): Promise<SpoolFile> {
    const path = this.#pathOf(digest)
    await this.#announce()
    try {
      const handle = await open(path, 'r+')
      return { path, handle, leftBytes: (await handle.stat()).size }
    } catch (error) {
      if (!isAbsent(error)) throw error
      return { path, handle: await open(path, 'wx+', 0o666), leftBytes: 0 }
    }
  }

  /** Stops the heartbeat. Partial files stay for the next process; an empty folder goes. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped.abort()
    try {
      const names = await readdir(this.#own)
      if (!names.every((name) => name === 'owner')) return
      await rm(this.#own, { recursive: true })
      // As long as no other process has its folder there.
      await rmdir(this.#folder)
    } catch (error) {
      this.#log.debug({ folder: this.#own, error }, 'the folder of partial files was not tidied up')
    }
  }

  #pathOf(digest: Digest): string {
    return join(this.#own, digest.replace(':', '-'))
  }

  /** Without a sign of its owner the folder would be taken over by the next process. Tried again until the disk lets it be. */
  async #announce(): Promise<void> {
    await mkdir(this.#own, { recursive: true })
    if (this.#isAnnounced) return
    await writeFile(join(this.#own, 'owner'), JSON.stringify({ host: hostname(), pid: process.pid }))
    if (this.#isAnnounced) return
    this.#isAnnounced = true
    this.#beat().catch((error: unknown) => {
      if (!this.#stopped.signal.aborted) this.#log.warn({ error }, 'the heartbeat of the folder of partial files stopped')
    })
  }

  async #beat(): Promise<void> {
    for (;;) {
      await this.#clock.sleep(heartbeatMs, this.#stopped.signal)
      const now = new Date(this.#clock.now())
      await utimes(join(this.#own, 'owner'), now, now)
    }
  }

  async #takeOver(): Promise<void> {
    for (const entry of await readdir(this.#folder, { withFileTypes: true })) {
      const other = join(this.#folder, entry.name)
      if (!entry.isDirectory() || other === this.#own || !(await this.#isAbandoned(other))) continue
      try {
        for (const file of await readdir(other)) await this.#inherit(join(other, file), join(this.#own, file))
        await rm(other, { recursive: true, force: true })
      } catch (error) {
        this.#log.warn({ folder: other, error }, 'what a former process left cannot be taken over')
      }
    }
  }

  async #inherit(from: string, to: string): Promise<void> {
    if (!/^sha\d+-[0-9a-f]+$/.test(basename(from))) return
    const { size, mtimeMs } = await stat(from)
    const ours = await stat(to).catch(() => undefined)
    // Two former processes may have left the same blob: the longer part saves more.
    if (size <= (ours?.size ?? 0) || this.#clock.now() - mtimeMs > oldestPartialMs) return unlink(from)
    await rename(from, to)
    this.#log.info({ file: to, bytes: size }, 'a partial file of a former process will be resumed')
  }

  async #isAbandoned(folder: string): Promise<boolean> {
    const file = join(folder, 'owner')
    try {
      const { host, pid } = JSON.parse(await readFile(file, 'utf8')) as { host?: unknown; pid?: unknown }
      if (host === hostname() && typeof pid === 'number' && !isAlive(pid)) return true
      // After a restart of the machine the number may be another program's: only the heartbeat tells.
      return this.#clock.now() - (await stat(file)).mtimeMs > silenceMs
    } catch (error) {
      // A folder that is just being made has no owner yet; one that crashed at that moment is old.
      this.#log.debug({ folder, reason: errorText(error) }, 'a folder of partial files without a readable owner')
      const made = await stat(folder).catch(() => undefined)
      return made !== undefined && this.#clock.now() - made.mtimeMs > silenceMs
    }
  }
}

/** In a restarted container the former process had our own pid. */
function isAlive(pid: number): boolean {
  if (pid === process.pid) return false
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

function isAbsent(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT'
}
