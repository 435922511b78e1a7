// The live view: server-sent events (HTML standard, "Server-sent events"). One snapshot a second is made for all who listen, and none
// while nobody does; a listener that does not read gets fewer of them.
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Clock } from '../lib/clock.ts'
import type { Sample, Status } from './api.ts'

const tickMs = 1000
/** Proxies close what is silent for long. */
const mostSilentTicks = 15
const mostListeners = 64

export interface EventsParts {
  readonly status: () => Promise<Status>
  /** True when the server begins to stop: streams end, so that it need not wait for them. */
  readonly isStopping: () => boolean
  readonly clock: Clock
  readonly fail: (error: unknown) => void
}

export class Events {
  readonly #parts: EventsParts
  readonly #listeners = new Set<ServerResponse>()
  #last = ''
  #silentTicks = 0

  constructor(parts: EventsParts) {
    this.#parts = parts
  }

  /** False: too many listen already. */
  open(_req: IncomingMessage, res: ServerResponse): boolean {
    if (this.#listeners.size >= mostListeners) return false
    res.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store', 'X-Accel-Buffering': 'no' })
    res.write('retry: 2000\n\n')
    res.on('close', () => this.#listeners.delete(res))
    this.#listeners.add(res)
    this.#last = ''
    if (this.#listeners.size === 1) void this.#tick()
    return true
  }

  get size(): number {
    return this.#listeners.size
  }

  tell(sample: Sample): void {
    this.#send(`event: sample\ndata: ${JSON.stringify(sample)}\n\n`)
  }

  async #tick(): Promise<void> {
    const { clock, isStopping, fail } = this.#parts
    while (this.#listeners.size > 0) {
      if (isStopping()) {
        for (const res of this.#listeners) res.end()
        this.#listeners.clear()
        return
      }
      await this.#tellStatus().catch(fail)
      await clock.sleep(tickMs)
    }
  }

  async #tellStatus(): Promise<void> {
    const status = await this.#parts.status()
    const text = JSON.stringify({ ...status, now: '' })
    this.#silentTicks += 1
    if (text !== this.#last || this.#silentTicks >= mostSilentTicks) {
      this.#last = text
      this.#silentTicks = 0
      this.#send(`event: status\ndata: ${JSON.stringify(status)}\n\n`)
    }
  }

  #send(event: string): void {
    for (const res of this.#listeners) if (!res.writableNeedDrain) res.write(event)
  }
}
