// One endpoint: its events are sent in order, each until it is taken (2xx or 3xx, as in distribution). After `threshold` failures
// in a row each further try waits for `backoff`.
import { STATUS_CODES } from 'node:http'
import { Agent, request } from 'undici'
import type { Clock } from '../lib/clock.ts'
import type { Log } from '../telemetry/log.ts'
import type { NotificationCounters } from './counters.ts'
import { envelopeOf, type EventFilter, eventsMediaType, isIgnored, type RegistryEvent } from './event.ts'
import type { EventQueue } from './queue.ts'

export interface EndpointOptions {
  readonly name: string
  readonly url: string
  readonly headers: Readonly<Record<string, readonly string[]>>
  readonly timeoutMs: number
  readonly threshold: number
  readonly backoffMs: number
  readonly ignore: EventFilter
  readonly queue: EventQueue
  readonly clock: Clock
  readonly log: Log
  readonly counters: NotificationCounters
}

export class Endpoint implements AsyncDisposable {
  readonly #options: EndpointOptions
  readonly #stop = new AbortController()
  readonly #agent: Agent
  readonly #ended: Promise<void>
  #failures = 0

  /** Begins at once with what its queue has. */
  constructor(options: EndpointOptions) {
    this.#options = options
    this.#agent = new Agent({ connect: { timeout: options.timeoutMs } })
    this.#ended = this.#run()
  }

  get name(): string {
    return this.#options.name
  }

  /** Events that are not delivered yet. */
  get waiting(): number {
    return this.#options.queue.waiting
  }

  /** Never throws and waits for nothing. */
  add(event: RegistryEvent): void {
    const { name, ignore, queue, counters } = this.#options
    if (isIgnored(event, ignore)) return
    counters.events.add(1, name, 'Events')
    queue.push(JSON.stringify(event))
  }

  /** What is not delivered stays for the next start. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error('the server stops'))
    await this.#ended
    await this.#agent.destroy()
    await this.#options.queue.close()
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) {
      try {
        await this.#deliverNext(signal)
      } catch (error) {
        if (!signal.aborted) this.#options.log.error({ endpoint: this.name, error }, 'reading events that wait went wrong')
      }
    }
  }

  async #deliverNext(signal: AbortSignal): Promise<void> {
    const { queue, clock, threshold, backoffMs } = this.#options
    try {
      const text = await queue.next(signal)
      while (!(await this.#isTaken(text, signal))) if (this.#failures >= threshold) await clock.sleep(Math.max(backoffMs, 1), signal)
      await queue.acknowledge(text)
    } catch (error) {
      // A queue that cannot be read must not be asked without end.
      if (!signal.aborted) await clock.sleep(Math.max(backoffMs, 1000), signal)
      throw error
    }
  }

  async #isTaken(text: string, signal: AbortSignal): Promise<boolean> {
    const { name, counters } = this.#options
    try {
      const status = await this.#post(text, signal)
      counters.status.add(1, name, `${status} ${STATUS_CODES[status] ?? ''}`.trimEnd())
      if (status < 400) this.#worked()
      else this.#failed('Failures', `it answered ${status}`)
      return status < 400
    } catch (error) {
      signal.throwIfAborted()
      this.#failed('Errors', error)
      return false
    }
  }

  async #post(text: string, signal: AbortSignal): Promise<number> {
    const { url, headers, timeoutMs } = this.#options
    const sent = Object.fromEntries(Object.entries(headers).map(([key, values]) => [key, [...values]]))
    const response = await request(url, {
      dispatcher: this.#agent,
      method: 'POST',
      headers: { ...sent, 'content-type': eventsMediaType },
      body: envelopeOf(JSON.parse(text) as RegistryEvent),
      headersTimeout: timeoutMs,
      bodyTimeout: timeoutMs,
      signal,
    })
    await response.body.dump({ limit: 64 * 1024 })
    return response.statusCode
  }

  #worked(): void {
    const { name, threshold, counters, log } = this.#options
    counters.events.add(1, name, 'Successes')
    if (this.#failures >= Math.max(1, threshold)) log.info({ endpoint: name }, 'events are taken again')
    this.#failures = 0
  }

  #failed(type: 'Failures' | 'Errors', error: unknown): void {
    const { name, threshold, counters, log } = this.#options
    counters.events.add(1, name, type)
    this.#failures += 1
    // Once for each trouble: the events wait, and the log would say the same for each of them.
    if (this.#failures === Math.max(1, threshold)) log.warn({ endpoint: name, error }, 'events are not taken: they wait')
  }
}
