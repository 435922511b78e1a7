// What is away is asked once a second instead of by every request, and the log says so once, not per request.
import type { Clock } from '../../lib/clock.ts'
import { StorageAway } from '../../oci/errors.ts'
import { errorText, type Log } from '../../telemetry/log.ts'

/** away: no connection or no answer; busy: it answered that it can't (5xx); `undefined`: it works, and refused this one thing. */
export type Trouble = 'away' | 'busy' | undefined

const retryMs = 1000

export class Outage {
  readonly #clock: Clock
  readonly #log: Log
  readonly #where: string
  readonly #troubleOf: (error: unknown) => Trouble
  #isTroubled = false
  /** 0: it is not away. */
  #nextTryAt = 0
  #isProbing = false

  /** `where`: for the log. */
  constructor(options: { where: string; clock: Clock; log: Log; troubleOf: (error: unknown) => Trouble }) {
    this.#where = options.where
    this.#clock = options.clock
    this.#log = options.log
    this.#troubleOf = options.troubleOf
  }

  /** The last thing that was heard of it is trouble. */
  get isTroubled(): boolean {
    return this.#isTroubled
  }

  /** As `work` does. While the service is in trouble it throws StorageAway; while it is away, mostly at once. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    const isProbe = this.#nextTryAt > 0
    if (isProbe && (this.#isProbing || this.#clock.now() < this.#nextTryAt)) throw new StorageAway(undefined)
    if (isProbe) this.#isProbing = true
    try {
      const result = await work()
      this.#isBack()
      return result
    } catch (error) {
      throw this.seen(error)
    } finally {
      if (isProbe) this.#isProbing = false
    }
  }

  /** What is to be thrown in place of a failure. */
  seen(error: unknown): unknown {
    const trouble = this.#troubleOf(error)
    if (trouble === undefined) return error
    if (!this.#isTroubled) {
      const words = trouble === 'away' ? 'cannot be reached: it is tried again every second' : 'has trouble'
      this.#log.error({ storage: this.#where, reason: errorText(error) }, `the object storage ${words}`)
    }
    this.#isTroubled = true
    if (trouble === 'away') this.#nextTryAt = this.#clock.now() + retryMs
    return new StorageAway(error)
  }

  #isBack(): void {
    if (!this.#isTroubled) return
    this.#isTroubled = false
    this.#nextTryAt = 0
    this.#log.info({ storage: this.#where }, 'the object storage is back')
  }
}

/** Of the connection, by the code that the system or undici gives it. */
export function isNetworkTrouble(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  const { code } = error as NodeJS.ErrnoException
  return typeof code === 'string' && /^(E[A-Z]+|UND_ERR_.+)$/.test(code) && !localCodes.has(code)
}

/** Of files on this machine, which are none of the storage's trouble. */
const localCodes = new Set(['ENOENT', 'EACCES', 'EPERM', 'EISDIR', 'ENOTDIR', 'EMFILE', 'ENFILE', 'EIO', 'ENOSPC', 'EROFS'])
