// What went wrong lately, fed by the log: a bounded list in which the same trouble stands once, with how often it came.
import type { Clock } from '../lib/clock.ts'
import { errorText, type Log } from '../telemetry/log.ts'
import { redactLine } from '../telemetry/redact.ts'
import type { Incident } from './api.ts'
import { explain } from './explanations.ts'

const mostIncidents = 50
const longestText = 500
/** Fields that say what a line is about. */
const shown = new Set(['repository', 'tag', 'digest', 'upstream', 'origin', 'check', 'endpoint', 'file', 'kind', 'error'])

interface Kept {
  readonly level: Incident['level']
  readonly message: string
  readonly about: Readonly<Record<string, string>>
  readonly firstAt: number
  readonly lastAt: number
  readonly times: number
}

export class Incidents {
  readonly #kept = new Map<string, Kept>()
  readonly #clock: Clock

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** The log, listened to: warnings and errors are kept here, too. */
  listenTo(log: Log): Log {
    return {
      debug: (fields, message) => log.debug(fields, message),
      info: (fields, message) => log.info(fields, message),
      warn: (fields, message) => {
        log.warn(fields, message)
        this.#keep('warn', fields, message)
      },
      error: (fields, message) => {
        log.error(fields, message)
        this.#keep('error', fields, message)
      },
    }
  }

  /** The latest first. */
  list(): Incident[] {
    return [...this.#kept.values()].reverse().map(({ firstAt, lastAt, ...kept }) => ({
      ...kept,
      ...explain(kept.message, kept.about['kind']),
      firstAt: new Date(firstAt).toISOString(),
      lastAt: new Date(lastAt).toISOString(),
    }))
  }

  #keep(level: Kept['level'], fields: object, message: string): void {
    const about = aboutOf(fields)
    const key = [level, message, about['upstream'], about['origin'], about['kind'], about['check']].join('\0')
    const before = this.#kept.get(key)
    const lastAt = this.#clock.now()
    // Taken out first, so that what came last stands last.
    this.#kept.delete(key)
    this.#kept.set(key, { level, message, about, firstAt: before?.firstAt ?? lastAt, lastAt, times: (before?.times ?? 0) + 1 })
    const oldest = this.#kept.size > mostIncidents ? this.#kept.keys().next().value : undefined
    if (oldest !== undefined) this.#kept.delete(oldest)
  }
}

function aboutOf(fields: object): Record<string, string> {
  const entries = Object.entries(fields).filter(([name, value]) => shown.has(name) && value !== undefined)
  return Object.fromEntries(entries.map(([name, value]) => [name, textOf(value)]))
}

function textOf(value: unknown): string {
  return redactLine(typeof value === 'string' ? value : errorText(value)).slice(0, longestText)
}
