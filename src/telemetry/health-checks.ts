// The checks of `health` in the configuration, as distribution makes them: at each interval, unhealthy after `threshold` failures
// in a row, healthy again with the first success.
import { stat } from 'node:fs/promises'
import { request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import { connect } from 'node:net'
import type { Clock } from '../lib/clock.ts'
import type { Health } from './health.ts'
import { errorText, type Log } from './log.ts'

/** Resolves when all is well; rejects with what is wrong. Ends with the signal. */
export type Check = (signal: AbortSignal) => Promise<void>

export interface CheckSchedule {
  readonly name: string
  readonly check: Check
  readonly intervalMs: number
  /** Failures in a row that are taken; 0 as 1. */
  readonly threshold: number
  /** 0: as long as it takes. */
  readonly timeoutMs: number
}

/** What a check without a time-out of its own may take. Without any, one that hangs would be healthy for ever. */
const longestCheckMs = 60_000
/** Without a pause there would be no end to it. */
const shortestIntervalMs = 100

export interface CheckParts {
  readonly health: Health
  readonly clock: Clock
  readonly log: Log
}

/** Runs until it is disposed. The first run is after one interval, as in distribution: until then all is well. */
export function startChecks(schedules: readonly CheckSchedule[], parts: CheckParts): AsyncDisposable {
  const stop = new AbortController()
  const ended = schedules.map((schedule) => watch(schedule, parts, stop.signal))
  return {
    async [Symbol.asyncDispose]() {
      stop.abort(new Error('the server stops'))
      await Promise.all(ended)
    },
  }
}

async function watch(schedule: CheckSchedule, { health, clock, log }: CheckParts, stop: AbortSignal): Promise<void> {
  const { name, intervalMs, threshold } = schedule
  let failures = 0
  let isFailing = false
  health.checked(name, undefined)
  while (await hasSlept(clock, Math.max(intervalMs, shortestIntervalMs), stop)) {
    const failure = await outcomeOf(schedule, clock, stop)
    if (stop.aborted) return
    failures = failure === undefined ? 0 : failures + 1
    const isFailingNow = failures >= Math.max(threshold, 1)
    health.checked(name, isFailingNow ? failure : undefined)
    if (isFailingNow && !isFailing) log.error({ check: name, failure }, 'a health check fails: all requests are answered with 503')
    if (!isFailingNow && isFailing) log.info({ check: name }, 'a health check works again')
    isFailing = isFailingNow
  }
}

async function outcomeOf({ check, timeoutMs }: CheckSchedule, clock: Clock, stop: AbortSignal): Promise<string | undefined> {
  const controller = new AbortController()
  const end = () => controller.abort(stop.reason)
  stop.addEventListener('abort', end, { once: true })
  const limitMs = timeoutMs > 0 ? timeoutMs : longestCheckMs
  const late = clock.sleep(limitMs, controller.signal).then(
    () => Promise.reject(new Error(`no answer within ${limitMs} ms`)),
    () => undefined,
  )
  try {
    const checking = check(controller.signal)
    await Promise.race([checking, late.then(() => checking)])
    return undefined
  } catch (error) {
    return errorText(error)
  } finally {
    stop.removeEventListener('abort', end)
    controller.abort(new Error('the check is over'))
  }
}

async function hasSlept(clock: Clock, ms: number, stop: AbortSignal): Promise<boolean> {
  try {
    await clock.sleep(ms, stop)
  } catch {
    // Only the signal ends a sleep early.
  }
  return !stop.aborted
}

/** Wrong while the file is there: a way to take a server out of its load balancer by hand. */
export function fileCheck(file: string): Check {
  return async () => {
    try {
      await stat(file)
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return
      throw error
    }
    throw new Error('file exists')
  }
}

export interface HttpCheckOptions {
  readonly uri: string
  readonly statuscode: number
  readonly headers: Readonly<Record<string, readonly string[]>>
}

/** By HEAD; a redirect is an answer. */
export function httpCheck({ uri, statuscode, headers }: HttpCheckOptions): Check {
  const request = uri.startsWith('https:') ? requestHttps : requestHttp
  const sent = Object.fromEntries(Object.entries(headers).map(([name, values]) => [name, [...values]]))
  return (signal) =>
    new Promise((resolve, reject) => {
      const asked = request(uri, { method: 'HEAD', headers: sent, agent: false, signal }, (response) => {
        response.resume()
        if (response.statusCode === statuscode) resolve()
        else reject(new Error(`downstream service returned unexpected status: ${response.statusCode}`))
      })
      asked.on('error', (error) => reject(new Error('error while checking', { cause: error })))
      asked.end()
    })
}

/** `address`: host and port. */
export function tcpCheck(address: string): Check {
  const colon = address.lastIndexOf(':')
  const host = address.slice(0, colon).replace(/^\[(.*)\]$/, '$1')
  return (signal) =>
    new Promise((resolve, reject) => {
      const socket = connect({ host: host === '' ? '127.0.0.1' : host, port: Number(address.slice(colon + 1)), signal })
      socket.once('connect', () => {
        socket.destroy()
        resolve()
      })
      socket.on('error', () => reject(new Error(`connection to ${address} failed`)))
    })
}
