// Pins as a small file in the store, for indexes that do not outlive their process or that replicas have each: what is in the store
// is there for all of them, also while Redis is away.
import { awaitedLease } from '../cluster/held-lease.ts'
import type { Leases } from '../cluster/leases.ts'
import type { Clock } from '../lib/clock.ts'
import type { Log } from '../telemetry/log.ts'

export interface StoredPinsParts {
  readonly file: {
    read(): Promise<Uint8Array | undefined>
    write(bytes: Uint8Array): Promise<void>
  }
  /** Of all who may write to this store. */
  readonly leases: Leases
  readonly clock: Clock
  readonly log: Log
}

/** A page of the dashboard asks several times. */
const believedMs = 1000
const patienceMs = 2000

export class StoredPins {
  readonly #parts: StoredPinsParts
  #known: readonly string[] | undefined
  #readAt = 0
  #isBroken = false

  constructor(parts: StoredPinsParts) {
    this.#parts = parts
  }

  /** Sorted. What was known last while the store cannot be read; throws what the store throws when nothing was. */
  async list(): Promise<string[]> {
    const now = this.#parts.clock.now()
    if (this.#known !== undefined && now - this.#readAt < believedMs) return [...this.#known]
    try {
      return [...(await this.#read())]
    } catch (error) {
      if (this.#known === undefined) throw error
      this.#parts.log.debug({ error }, 'the pins cannot be read: those that were known last hold')
      return [...this.#known]
    }
  }

  add(pattern: string): Promise<void> {
    return this.#change((pins) => [...pins.filter((each) => each !== pattern), pattern])
  }

  /** False: it was not there. */
  async remove(pattern: string): Promise<boolean> {
    let wasThere = false
    await this.#change((pins) => {
      wasThere = pins.includes(pattern)
      return pins.filter((each) => each !== pattern)
    })
    return wasThere
  }

  async #change(change: (pins: readonly string[]) => string[]): Promise<void> {
    const { file, leases, log } = this.#parts
    const patience = AbortSignal.timeout(patienceMs)
    const held = await awaitedLease(leases, 'usage pins', patience).catch((error: unknown) => {
      // Of two who pin at the very same moment one may be undone then; who pins is told what is pinned.
      log.debug({ error }, 'pins are changed without their lease')
      return undefined
    })
    try {
      const before = await this.#read()
      if (this.#isBroken) throw new Error('the file of pins in the store is broken: mend it or remove it')
      const pins = change(before).toSorted()
      if (pins.join('\n') !== before.join('\n')) await file.write(Buffer.from(`${JSON.stringify({ pins })}\n`))
      this.#remember(pins)
    } finally {
      await held?.[Symbol.asyncDispose]()
    }
  }

  async #read(): Promise<readonly string[]> {
    const bytes = await this.#parts.file.read()
    const pins = bytes === undefined ? [] : pinsIn(new TextDecoder().decode(bytes))
    if (pins === undefined && !this.#isBroken) this.#parts.log.error({}, 'the file of pins in the store is broken: nothing of it is pinned')
    this.#isBroken = pins === undefined
    return this.#remember(pins ?? [])
  }

  #remember(pins: readonly string[]): readonly string[] {
    this.#known = pins
    this.#readAt = this.#parts.clock.now()
    return pins
  }
}

function pinsIn(text: string): string[] | undefined {
  try {
    const content: unknown = JSON.parse(text)
    if (typeof content !== 'object' || content === null || !('pins' in content) || !Array.isArray(content.pins)) return undefined
    return content.pins.filter((each) => typeof each === 'string')
  } catch {
    return undefined
  }
}
