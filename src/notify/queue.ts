// Events that wait for an endpoint, in order, in a file: however many they are, few are in memory, and a restart loses none.
//
//   [ delivered | waiting                          ]     one event a line
//   0         acked ─── read: in memory ─── written
//
// How far `acked` is stands in a second file, written now and then: after a crash some events are delivered again, none is lost.
import { type FileHandle, open, readFile, writeFile } from 'node:fs/promises'

const chunkBytes = 64 * 1024
/** While the disk refuses, so many events wait in memory; beyond that the oldest are lost. */
const mostUnwritten = 1000
const acksBetweenNotes = 64
const newline = 0x0a

interface Line {
  readonly text: string
  readonly bytes: number
}

export class EventQueue {
  readonly #path: string
  readonly #file: FileHandle
  #written: number
  #read: number
  #acked: number
  #ready: Line[] = []
  #unwritten: string[] = []
  /** A write, or a truncation, that is under way: only one at a time. */
  #writing: Promise<void> | undefined
  #isRefused = false
  #waiting: number
  #acksSinceNote = 0
  #wake = Promise.withResolvers<void>()
  /** Events that were given up because the disk refused them and memory was full. */
  lost = 0

  private constructor(path: string, file: FileHandle, state: { acked: number; written: number; waiting: number }) {
    this.#path = path
    this.#file = file
    this.#acked = state.acked
    this.#read = state.acked
    this.#written = state.written
    this.#waiting = state.waiting
  }

  /** Takes over what a former process left. Throws what the file system throws. */
  static async open(path: string): Promise<EventQueue> {
    const file = await open(path, 'a+', 0o600)
    try {
      const bytes = await readFile(path)
      // A line that a crash has torn was never promised to anybody.
      const written = bytes.lastIndexOf(newline) + 1
      if (written < bytes.length) await file.truncate(written)
      const noted = Number(await readFile(`${path}.at`, 'utf8').catch(() => '0'))
      const acked = Number.isSafeInteger(noted) && noted > 0 && noted <= written && bytes[noted - 1] === newline ? noted : 0
      const waiting = bytes.subarray(acked, written).reduce((lines, byte) => (byte === newline ? lines + 1 : lines), 0)
      return new EventQueue(path, file, { acked, written, waiting })
    } catch (error) {
      await file.close()
      throw error
    }
  }

  get waiting(): number {
    return this.#waiting
  }

  /** Never throws and waits for nothing. `text` must be one line. */
  push(text: string): void {
    this.#unwritten.push(text)
    this.#waiting += 1
    if (this.#isRefused && this.#writing === undefined && this.#unwritten.length > mostUnwritten) {
      this.#unwritten.shift()
      this.#waiting -= 1
      this.lost += 1
    }
    this.#writing ??= this.#write()
  }

  /** The first event that is not acknowledged; waits for one. Rejects with the signal's reason. */
  async next(signal: AbortSignal): Promise<string> {
    for (;;) {
      signal.throwIfAborted()
      if (this.#ready.length === 0 && this.#read < this.#written) await this.#readMore()
      const first = this.#ready[0]?.text ?? (this.#isRefused ? this.#unwritten[0] : undefined)
      if (first !== undefined) return first
      await this.#something(signal)
    }
  }

  /** The event that `next` gave is delivered. */
  async acknowledge(text: string): Promise<void> {
    const [line] = this.#ready
    if (line === undefined) {
      // Given from memory. If it is on its way to the file, it will be delivered once more.
      if (this.#writing !== undefined || this.#unwritten[0] !== text) return
      this.#unwritten.shift()
      this.#waiting -= 1
      return
    }
    this.#ready.shift()
    this.#waiting -= 1
    this.#acked += line.bytes
    this.#acksSinceNote += 1
    if (this.#acksSinceNote >= acksBetweenNotes || this.#acked === this.#written) await this.#note()
  }

  async close(): Promise<void> {
    await this.#writing
    await this.#note()
    await this.#writing
    await this.#file.close()
  }

  #something(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const onAbort = () => reject(signal.reason)
      signal.addEventListener('abort', onAbort, { once: true })
      void this.#wake.promise.then(() => {
        signal.removeEventListener('abort', onAbort)
        resolve()
      })
    })
  }

  async #write(): Promise<void> {
    // Whatever comes in this turn of the event loop goes out together.
    await Promise.resolve()
    while (this.#unwritten.length > 0 && (await this.#isAppended(this.#unwritten.length))) this.#announce()
    this.#writing = undefined
    this.#announce()
  }

  async #isAppended(count: number): Promise<boolean> {
    const bytes = Buffer.from(`${this.#unwritten.slice(0, count).join('\n')}\n`)
    try {
      await this.#file.appendFile(bytes)
      this.#written += bytes.length
      this.#unwritten.splice(0, count)
      this.#isRefused = false
    } catch {
      // What was written of it in part would be read as half a line.
      await this.#file.truncate(this.#written).catch(() => undefined)
      this.#isRefused = true
    }
    return !this.#isRefused
  }

  #announce(): void {
    const { resolve } = this.#wake
    this.#wake = Promise.withResolvers<void>()
    resolve()
  }

  async #readMore(): Promise<void> {
    for (let size = chunkBytes; ; size *= 2) {
      const length = Math.min(size, this.#written - this.#read)
      const { buffer, bytesRead } = await this.#file.read(Buffer.alloc(length), 0, length, this.#read)
      const end = buffer.subarray(0, bytesRead).lastIndexOf(newline)
      if (end < 0 && length === size) continue
      if (end < 0) throw new Error(`${this.#path} ends in the middle of an event`)
      const lines = buffer.toString('utf8', 0, end).split('\n')
      this.#ready = lines.map((text) => ({ text, bytes: Buffer.byteLength(text) + 1 }))
      this.#read += end + 1
      return
    }
  }

  /** When all is delivered the file begins anew: first the file, then the note, as one beyond its end is not believed. */
  async #note(): Promise<void> {
    this.#acksSinceNote = 0
    if (this.#acked === this.#written && this.#written > 0 && this.#writing === undefined) {
      this.#writing = this.#beginAnew()
      await this.#writing
    }
    // Without a note some events are delivered once more after a restart.
    await writeFile(`${this.#path}.at`, String(this.#acked)).catch(() => undefined)
  }

  async #beginAnew(): Promise<void> {
    try {
      await this.#file.truncate(0)
      this.#acked = 0
      this.#read = 0
      this.#written = 0
    } catch {
      // It goes on growing then, and is tried again.
    }
    this.#writing = undefined
    if (this.#unwritten.length > 0) this.#writing = this.#write()
  }
}
