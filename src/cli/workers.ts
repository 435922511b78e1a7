// `http.workers`: the primary process. It starts the workers, keeps what they agree on, replaces those that die, and stops them;
// it serves nothing itself. Node shares the listening port among the workers.
import cluster, { type Worker } from 'node:cluster'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { availableParallelism } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { ReservationHost } from '../cluster/worker-reservations.ts'
import { type Link, linkTo, type Services } from '../cluster/worker-link.ts'
import { type Delivery, openDelivery } from '../compose/notify.ts'
import { FactHost } from '../cluster/worker-facts.ts'
import { LeaseHost } from '../cluster/worker-leases.ts'
import type { Config } from '../config/load.ts'
import { systemClock } from '../lib/clock.ts'
import type { HealthState } from '../telemetry/health.ts'
import type { Log } from '../telemetry/log.ts'
import { Meters } from '../telemetry/meters.ts'
import { lasting, type MeterSamples, mergeSamples, samplesOf } from '../telemetry/samples.ts'
import { greeting } from './greeting.ts'

/** Sent by the primary; workers do not listen to signals, which a terminal sends to all processes at once. */
export const stopMessage = 'entrepot: stop'

/** Before a worker that died is replaced: at once the first time, later more and more slowly. */
const replacementWaitsMs = [0, 1_000, 2_000, 5_000, 10_000, 30_000] as const
/** A worker that lived for so long has not died of its start. */
const steadyMs = 60_000
/** A worker that does not answer for so long is left out of what all of them answer together. */
const askMs = 1_000

export function workerCount({ http: { workers } }: Config): number {
  return workers === 'auto' ? availableParallelism() : (workers ?? 1)
}

export interface WorkersOptions {
  readonly config: Config
  readonly log: Log
  /** Resolves with what asks for the stop. */
  readonly stopping: Promise<string>
}

/**
 * Runs until it is asked to stop. Resolves with the exit code: 1 when the first workers cannot start; they say why. Throws Errors that
 * name the key of what the primary itself cannot open.
 */
export async function serveByWorkers({ config, log, stopping }: WorkersOptions): Promise<number> {
  const count = workerCount(config)
  const meters = new Meters()
  await using building = new AsyncDisposableStack()
  const delivery = await openDelivery(config, { meters, clock: systemClock, log }, building)
  const crew = new Crew(log, { meters, delivery })
  const address = await crew.start(count)
  if (address === undefined) {
    await crew.stop()
    return 1
  }
  process.stdout.write(greeting(config, address))
  const signal = await stopping
  log.info({ signal, workers: count, draintimeoutMs: config.http.draintimeout }, 'stopping: requests in progress may finish')
  await crew.stop()
  log.info({}, 'stopped')
  return 0
}

interface OfPrimary {
  /** Of what the primary itself does. */
  readonly meters: Meters
  readonly delivery: Delivery
}

class Crew {
  readonly #log: Log
  readonly #leases = new LeaseHost()
  readonly #facts = new FactHost()
  /** For http.secret, when the configuration has none. */
  readonly #secret = randomBytes(32).toString('hex')
  readonly #reservations = new ReservationHost()
  readonly #own: OfPrimary
  readonly #living = new Map<Worker, Link>()
  /** What each living worker has counted, as it said last. */
  readonly #samples = new Map<Link, readonly MeterSamples[]>()
  /** What dead ones had counted. */
  #departed: readonly MeterSamples[] = []
  readonly #stop = new AbortController()
  #deaths = 0

  constructor(log: Log, own: OfPrimary) {
    this.#log = log
    this.#own = own
  }

  /** Where they listen, when all of them do. `undefined`: one of them could not start. */
  async start(count: number): Promise<string | undefined> {
    const addresses = await Promise.all(Array.from({ length: count }, () => this.#begin()))
    return addresses.includes(undefined) ? undefined : addresses[0]
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    const gone = [...this.#living.keys()].map((worker) => once(worker, 'exit'))
    for (const worker of this.#living.keys()) if (worker.isConnected()) worker.send(stopMessage)
    await Promise.all(gone)
  }

  /** Resolves with where the worker listens, or with `undefined` when it ended before. */
  async #begin(): Promise<string | undefined> {
    const worker = cluster.fork()
    const startedAt = performance.now()
    const link = linkTo(worker)
    this.#living.set(worker, link)
    const serves = new Promise<string | undefined>((resolve) => {
      link.answer({ ...this.#servicesFor(worker), 'worker.serves': (address) => resolve(String(address)) })
      worker.on('exit', () => resolve(undefined))
    })
    worker.on('exit', (code, signal) => {
      this.#forget(worker, link)
      void serves.then((address) => {
        if (address !== undefined)
          void this.#replace({ pid: worker.process.pid, code, signal: signal ?? undefined }, performance.now() - startedAt)
      })
    })
    return serves
  }

  #servicesFor(worker: Worker): Services {
    return {
      ...this.#leases.servicesFor(worker),
      ...this.#facts.services,
      ...this.#reservations.servicesFor(worker),
      ...this.#own.delivery.services,
      secret: () => this.#secret,
      'crew.samples': () => this.#allSamples(),
      'crew.standing': () => this.#askAll<unknown>('worker.standing'),
      'crew.health': () => this.#askAll<HealthState>('worker.health'),
    }
  }

  #forget(worker: Worker, link: Link): void {
    this.#living.delete(worker)
    this.#leases.forget(worker)
    this.#reservations.forget(worker)
    this.#departed = mergeSamples([this.#departed, lasting(this.#samples.get(link) ?? [])])
    this.#samples.delete(link)
  }

  async #allSamples(): Promise<(readonly MeterSamples[])[]> {
    await this.#askAll<MeterSamples[]>('worker.samples', (samples, link) => this.#samples.set(link, samples))
    // One that did not answer in time has counted what it had at least.
    return [this.#departed, ...this.#samples.values(), samplesOf(this.#own.meters)]
  }

  /** Answers of those that do in time. Never rejects. */
  async #askAll<Answer>(service: string, each?: (answer: Answer, link: Link) => void): Promise<Answer[]> {
    const ask = async (link: Link, worker: Worker): Promise<Answer[]> => {
      const late = sleep(askMs, undefined, { ref: false }).then(() => undefined)
      const answer = (await Promise.race([link.ask(service).catch(() => undefined), late])) as Answer | undefined
      if (answer === undefined || !this.#living.has(worker)) return []
      each?.(answer, link)
      return [answer]
    }
    return (await Promise.all([...this.#living].map(([worker, link]) => ask(link, worker)))).flat()
  }

  async #replace(death: Readonly<Record<string, unknown>>, livedMs: number): Promise<void> {
    if (this.#stop.signal.aborted) return
    this.#deaths = livedMs > steadyMs ? 0 : this.#deaths + 1
    const waitMs = replacementWaitsMs[Math.min(this.#deaths, replacementWaitsMs.length) - 1] ?? 0
    this.#log.error({ ...death, livedMs: Math.round(livedMs), waitMs }, 'a worker process died; it is replaced')
    await sleep(waitMs, undefined, { signal: this.#stop.signal }).catch(() => undefined)
    if (this.#stop.signal.aborted) return
    if ((await this.#begin()) === undefined) void this.#replace({ cause: 'it could not start' }, 0)
  }
}
